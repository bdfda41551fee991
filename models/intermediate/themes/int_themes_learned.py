"""Themes that a model of the user's own labels finds; described in _themes__models.yml."""


def model(dbt, session):
    """Train on the labelled comments and predict all others; without labels, nothing."""
    from orchestration.statistics.tables import seed_values
    from orchestration.statistics.themes import LEARNED, Rules, learned_themes

    labels = dbt.ref("int_theme_labels").aggregate(
        "response_key, string_agg(theme, '|' order by theme) as labels", "response_key"
    )
    comments = dbt.ref("response_comments").set_alias("comments")
    terms = dbt.ref("int_themes_matched").aggregate(
        "response_key, string_agg(theme, '|' order by theme) as themes", "response_key"
    )
    assumption = seed_values(dbt.ref("assumptions"))
    if not labels.limit(1).fetchall():
        return session.from_arrow(LEARNED.empty_table())
    texts = comments.join(
        terms.set_alias("terms"), "comments.response_key = terms.response_key", how="left"
    ).select("comments.response_key as response_key, comment, coalesce(themes, '') as themes")
    texts = (
        texts.set_alias("texts")
        .join(labels.set_alias("labels"), "texts.response_key = labels.response_key", how="left")
        .select("cast(texts.response_key as varchar) as response_key, comment, themes, labels")
    )
    labelled = texts.filter("labels is not null").order("response_key").fetchall()
    others = texts.filter("labels is null").select("response_key, comment, themes")
    rules = Rules(
        least=int(assumption("min_theme_labels")),
        folds=int(assumption("theme_folds")),
        confidence=assumption("min_theme_confidence"),
        seed=int(assumption("random_seed")),
    )
    return session.from_arrow(learned_themes(labelled, others.fetchmany, rules))
