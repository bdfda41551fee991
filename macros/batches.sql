{#- Incremental builds. A batch decides the status of the rows delivered since the previous build together
    with older rows of the same keys, and rebuilds the rows that these affect; all others stay. The lake's
    folder built/ says what the previous build read; a build that cannot be added to it (other settings,
    other code, a file gone) is a full one. -#}

{#- Whether this run adds a batch to the tables of the previous build. -#}
{% macro is_batch() -%}
    {%- if not execute or flags.FULL_REFRESH or flags.WHICH not in ('build', 'run', 'test') -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set built = load_relation(api.Relation.create(database=target.database, schema='intermediate', identifier='int_survey_responses_versioned')) -%}
    {{ return(built is not none and this_batch() > 1) }}
{%- endmacro %}

{#- The number of the build that is being made, from 1. -#}
{% macro this_batch() -%}
    {%- set last_build = load_relation(of_lake('last_build')) if execute else none -%}
    {%- if last_build is none -%}
        {{ return(1) }}
    {%- endif -%}
    {{ return(first_column('select batch from ' ~ last_build) | first | int) }}
{%- endmacro %}

{#- A table of schema raw that says how to build, not what is built: it makes no lineage. -#}
{% macro of_lake(table) -%}
    {{ return(api.Relation.create(database=target.database, schema='raw', identifier=table)) }}
{%- endmacro %}

{#- The values of a query's first column, read while dbt compiles: settings that decide which columns and rows
    there are. None while dbt only parses. A query is asked once: `graph` is one object for all nodes of an
    invocation, and what the lake says of the workspace does not change during one. -#}
{% macro first_column(query) -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set known = graph.setdefault('first_columns', {}) -%}
    {%- if query not in known -%}
        {%- do known.update({query: run_query(query).columns[0].values() | list}) -%}
    {%- endif -%}
    {{ return(known[query]) }}
{%- endmacro %}

{#- Whether a row is affected by the batch: whether its column's value is in a model of affected keys,
    in the column of the same name. True of every row in a full build, which does not read that model. -#}
{% macro is_affected(column, model_name) -%}
    {%- if not execute -%}
        {%- do ref(model_name) -%}
    {%- endif -%}
    {%- if is_batch() -%}
        {{ column }} in (select affected.{{ column.split('.')[-1] }} from {{ ref(model_name) }} as affected)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- dbt's incremental strategy `replace`: deletes the rows that the batch replaces and inserts the new
    ones. Which rows these are says unique_key, by the new rows, else the model's `meta: {changed: …}`:
    so rows can vanish without a new one in their place. A full build, or a model that says neither,
    replaces all rows. -#}
{% macro get_incremental_replace_sql(arguments) -%}
    {%- set target_relation = arguments['target_relation'] -%}
    {%- set new_rows = arguments['temp_relation'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set key = arguments['unique_key'] -%}
    delete from {{ target_relation }}
    {%- if is_batch() and key %}
    where ({{ key | join(', ') }}) in (select {{ key | join(', ') }} from {{ new_rows }})
    {%- elif is_batch() and changed_rows(model) %}
    where {{ changed_rows(model) }}
    {%- endif %};
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ new_rows }}
{%- endmacro %}
