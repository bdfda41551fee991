"""Which nodes of dbt's graph a batch has to start: those that read something new.

A table's rows are a function of the sources that a full build of it reads, directly or not, and a
batch ends with the rows of a full build. So a table whose sources hold what they held stays as it
is. Two kinds of models are started in every batch, for they hold what the batch itself affects: the
models of the folder `batches`, and tables that select by these. For the same reason the former pass
no change on: a full build reads nothing from them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# macros whose result is another one in every batch
_OF_THE_BATCH = ("is_batch", "this_batch")
_READS_ITSELF = re.compile(r"\{\{\s*this\s*\}\}")


@dataclass(frozen=True)
class News:
    """What came since the previous build.

    Attributes:
        entities: those with new files.
        as_of_moved: whether as_of is later than it was.
        waiting: the entities of which rows wait for their date, which is after the previous as_of.
    """

    entities: frozenset[str]
    as_of_moved: bool
    waiting: frozenset[str]


def nodes_to_start(manifest: Mapping[str, Any], news: News) -> set[str]:
    """The models and data tests to start in a batch, by their unique ids.

    Args:
        manifest: dbt's manifest; code and settings are those of the previous build.
        news: what came since the previous build.
    """
    graph = _Graph(manifest, news)
    return {
        name
        for name, node in manifest["nodes"].items()
        if (node["resource_type"] == "model" and graph.is_started(name))
        or (node["resource_type"] == "test" and graph.is_tested(name))
    }


def versioned_entities(manifest: Mapping[str, Any]) -> list[str]:
    """The entities that have a table `int_<entity>_versioned`."""
    return sorted(map(entity_of, filter(is_versioned, manifest["nodes"].values())))


def is_versioned(node: Mapping[str, Any]) -> bool:
    """Whether a node is a table `int_<entity>_versioned`: what became of each delivered row."""
    return "versioned" in node["fqn"][:-1] and node["config"]["materialized"] == "incremental"


def entity_of(node: Mapping[str, Any]) -> str:
    """The entity whose delivered rows a table `int_<entity>_versioned` holds."""
    return str(node["name"]).removeprefix("int_").removesuffix("_versioned")


def _calling(macros: Mapping[str, Any], names: Collection[str]) -> set[str]:
    """The ids of macros of these names, and of all that call one of them, directly or not."""
    found = {macro for macro in macros if macro.rpartition(".")[2] in names}
    while True:
        callers = {
            macro
            for macro, entry in macros.items()
            if macro not in found and not found.isdisjoint(entry["depends_on"]["macros"])
        }
        if not callers:
            return found
        found |= callers


class _Graph:
    """dbt's graph and what is new in it; every answer is worked out once."""

    def __init__(self, manifest: Mapping[str, Any], news: News) -> None:
        self.manifest, self.news = manifest, news
        self.nodes = manifest["nodes"]
        self.has_news = cache(self._has_news)
        self.is_partial = cache(self._is_partial)
        self.macros_of_the_batch = _calling(manifest["macros"], _OF_THE_BATCH)

    def is_started(self, name: str) -> bool:
        """Whether a model is built: a view only if its very text is another one."""
        if self._is_view(name):
            return self._is_of_the_batch(name)
        return self.is_partial(name) or self.has_news(name, name)

    def is_tested(self, name: str) -> bool:
        """Whether a data test may find something else than before."""
        return any(
            self.has_news(parent, "") or (parent.startswith("model.") and self.is_started(parent))
            for parent in self._parents(name)
        )

    def _has_news(self, name: str, reader: str) -> bool:
        """Whether a source or the rows of a node are others than before.

        Args:
            name: of the source or node.
            reader: the table that reads it through views alone, or is it; "": a test.
        """
        if name.startswith("source."):
            return self._is_new_source(name, reader)
        if name.startswith("seed.") or self._is_of_the_folder_batches(name):
            return False  # a seed belongs to the code
        within = reader if self._is_view(name) else name
        return any(self.has_news(parent, within) for parent in self._parents(name))

    def _is_new_source(self, name: str, reader: str) -> bool:
        source = self.manifest["sources"][name]
        if source["source_name"] != "raw":
            return False  # tables of the previous build
        path = source["config"]["meta"]["lake_path"]
        if path.startswith("raw/"):
            return source["name"] in self.news.entities
        if source["name"] == "workspace":
            judges = reader in self.nodes and is_versioned(self.nodes[reader])
            # as_of alone can change; of the delivered rows it decides on those dated after it
            return self.news.as_of_moved and (
                not judges or entity_of(self.nodes[reader]) in self.news.waiting
            )
        # other settings would have made a full build; files and ledger grow all the time
        return not path.startswith("settings/")

    def _is_partial(self, name: str) -> bool:
        """Whether a table holds rows that the batch affects, and no others."""
        node = self.nodes.get(name)
        if node is None or node["resource_type"] != "model":
            return False
        if node["config"]["materialized"] == "incremental" or _READS_ITSELF.search(
            node["raw_code"]
        ):
            return False  # it keeps its other rows
        return self._is_of_the_batch(name) or any(map(self.is_partial, self._parents(name)))

    def _is_of_the_batch(self, name: str) -> bool:
        return not self.macros_of_the_batch.isdisjoint(self.nodes[name]["depends_on"]["macros"])

    def _is_of_the_folder_batches(self, name: str) -> bool:
        return "batches" in self.nodes[name]["fqn"][:-1]

    def _is_view(self, name: str) -> bool:
        return bool(self.nodes[name]["config"]["materialized"] == "view")

    def _parents(self, name: str) -> list[str]:
        return list(self.nodes[name]["depends_on"]["nodes"])
