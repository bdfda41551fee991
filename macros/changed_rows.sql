{#- Which rows of a model a batch replaces, as a condition over the model's columns. The model's config
    says it: `meta: {changed: {key: …, model: …}}`, the rows whose key is in the model of affected
    keys; for a list of these, the rows that any of them selects. Empty: the config has none.

    node: the model's entry in dbt's graph. -#}
{% macro changed_rows(node) -%}
    {%- set changed = node.config.meta.get('changed', []) -%}
    {%- set conditions = [] -%}
    {%- for rows in ([changed] if changed is mapping else changed) -%}
        {%- set affected = graph.nodes['model.' ~ node.package_name ~ '.' ~ rows.model] -%}
        {%- set relation = api.Relation.create(database=affected.database, schema=affected.schema, identifier=affected.alias) -%}
        {%- do conditions.append(rows.key ~ ' in (select ' ~ rows.key ~ ' from ' ~ relation ~ ')') -%}
    {%- endfor -%}
    {{ return(conditions | join(' or ')) }}
{%- endmacro %}

{#- What a data test reads of a model: dbt's own hook, which every generic test goes through; singular
    tests call it where single rows can be tested. `dbt build` of a batch tests the changed rows alone:
    the others passed when they were built. A key that is unique among the changed rows is unique in the
    table as far as the condition follows from the key (all answers of a customer change together);
    whether an unchanged row has a changed row's key is checked at the gate (expectations/suites). -#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where')] | select | list -%}
    {%- if execute and flags.WHICH == 'build' and is_batch() -%}
        {%- for node in graph.nodes.values() -%}
            {%- if node.resource_type == 'model' and node.schema == relation.schema and node.alias == relation.identifier and changed_rows(node) -%}
                {%- do conditions.append(changed_rows(node)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not conditions -%}
        {% do return(relation) %}
    {%- endif -%}
    {%- set rows -%}
        (select * from {{ relation }} where ({{ conditions | join(') and (') }})) as rows_to_test
    {%- endset -%}
    {% do return(rows) %}
{%- endmacro %}
