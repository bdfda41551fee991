{#- Which of a model's rows this build made anew, as a condition over its columns: what the model's
    `meta: {touched: …}` says. None: all of them. -#}
{% macro touched_condition(relation) -%}
    {%- if execute and is_touched_run() -%}
        {%- for node in graph.nodes.values() -%}
            {%- if node.resource_type == 'model' and node.schema == relation.schema and node.alias == relation.identifier -%}
                {{ return(node.config.meta.get('touched')) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{#- What a data test reads of a model: dbt's own hook, which every generic test goes through; tests
    that are written out call it where rows can be judged by themselves. Of a build that makes few
    rows anew the others were tested when they were made. A key that is unique among the new rows is
    unique altogether as far as the condition follows from the key (all answers of a customer are
    made anew together); whether an old row has a new row's key is looked at once more where the
    tables leave (expectations/suites). -#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where'), touched_condition(relation)] | select | list -%}
    {%- if not conditions -%}
        {% do return(relation) %}
    {%- endif -%}
    {%- set rows -%}
        (select * from {{ relation }} where ({{ conditions | join(') and (') }})) as rows_to_test
    {%- endset -%}
    {% do return(rows) %}
{%- endmacro %}
