{#- The lake's Parquet as views of schema raw, so that models read sources and no paths. -#}
{% macro register_lake() -%}
    {% if execute and flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot', 'compile', 'show', 'docs', 'generate') %}
        {% set lake = env_var('NPS_WORKSPACE', 'workspace') ~ '/lake' %}
        {% do adapter.create_schema(api.Relation.create(database=target.database, schema='raw')) %}
        {% for source in graph.sources.values() | selectattr('source_name', 'equalto', 'raw') %}
            {% do run_query(adapter.dispatch('lake_view', 'nps_warehouse')(source.name, lake ~ '/' ~ source.meta.lake_path)) %}
        {% endfor %}
    {% endif %}
{%- endmacro %}

{#- DDL of one view over the Parquet that a glob names. -#}
{% macro duckdb__lake_view(name, glob) -%}
    create or replace view raw.{{ adapter.quote(name) }} as
    select * from read_parquet('{{ glob | replace("'", "''") }}')
{%- endmacro %}
