{#- Incremental builds. A build takes what was delivered since the last one, the batch, judges those
    rows together with older rows of the same keys, and makes anew what these rows touch. Everything
    else stands. lake/built tells what the last build knew; a build that cannot go on from it (other
    settings, other code, a file gone) starts from the beginning: it is a full one. -#}

{#- Whether this run adds a batch to the tables of the last build. -#}
{% macro is_batch() -%}
    {%- if not execute or flags.FULL_REFRESH or flags.WHICH not in ('build', 'run', 'test') -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set built = load_relation(api.Relation.create(database=target.database, schema='intermediate', identifier='int_survey_responses_versioned')) -%}
    {{ return(built is not none and this_batch() > 1) }}
{%- endmacro %}

{#- Whether this run makes only some rows anew and tests these: the others lie as the last build left
    them that passed its tests. `dbt test` alone looks at everything. -#}
{% macro is_touched_run() -%}
    {{ return(flags.WHICH == 'build' and is_batch()) }}
{%- endmacro %}

{#- The number of the build that is being made, from 1. -#}
{% macro this_batch() -%}
    {%- set last_build = load_relation(of_lake('last_build')) if execute else none -%}
    {%- if last_build is none -%}
        {{ return(1) }}
    {%- endif -%}
    {{ return(run_query('select batch from ' ~ last_build).columns[0].values()[0] | int) }}
{%- endmacro %}

{#- A table of schema raw that says how to build, not what is built: it makes no lineage. -#}
{% macro of_lake(table) -%}
    {{ return(api.Relation.create(database=target.database, schema='raw', identifier=table)) }}
{%- endmacro %}

{#- A table as the last build left it, of a model that comes later in this one. -#}
{% macro previous(model_name, schema='intermediate') -%}
    {%- set database = 'marts_file' if schema == 'marts' else target.database -%}
    {{ return(api.Relation.create(database=database, schema=schema, identifier=model_name)) }}
{%- endmacro %}

{#- The model at hand is built after another one whose rows it does not read: that one reads what stands
    here until now. -#}
{% macro come_after(model_name) -%}
    {%- if not execute -%}{%- do ref(model_name) -%}{%- endif -%}
{%- endmacro %}

{#- The files of an entity that came since the last build, by their SHA-256, as a list of SQL
    literals: a filter on literals lets the engine leave other files unread. -#}
{% macro new_files(entity) -%}
    {%- set query -%}
        select distinct files.file_sha256
        from {{ of_lake('files') }} as files
        left join {{ of_lake('built_files') }} as built
            on
                files.source = built.source
                and files.entity = built.entity
                and files.file_sha256 = built.file_sha256
        where files.entity = '{{ entity }}' and files.status = 'loaded' and built.file_sha256 is null
        order by files.file_sha256
    {%- endset -%}
    {%- set found = [] -%}
    {%- for sha256 in run_query(query).columns[0].values() -%}
        {%- do found.append("'" ~ sha256 ~ "'") -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The files that hold rows which waited for as_of to reach them, as a list of SQL literals. -#}
{% macro waiting_files(judged, reason) -%}
    {%- set found = [] -%}
    {%- for sha256 in run_query('select distinct file_sha256 from ' ~ judged ~ ' where ' ~ reason ~ " = 'future' order by 1").columns[0].values() -%}
        {%- do found.append("'" ~ sha256 ~ "'") -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The CTE `fresh`: the rows that staging reads in this batch: those of new files, and those that
    were dated after as_of when they were last read. judged is the table that keeps what became of
    older rows; reason its column with staging's verdict; left_out the columns that it does not keep. -#}
{% macro fresh_rows(staged, entity, judged, reason='reject_reason', left_out=[]) -%}
{%- set new = new_files(entity) -%}
{%- set waiting = waiting_files(judged, reason) -%}
fresh as (
    select * {{ except_columns(['reject_reason'] + left_out) }}, reject_reason from {{ staged }}
    where
        {{ 'file_sha256 in (' ~ new | join(', ') ~ ')' if new else 'false' }}
        {%- if waiting %}
        or (
            file_sha256 in ({{ waiting | join(', ') }})
            and (source, file_sha256, row_number) in (
                select source, file_sha256, row_number from {{ judged }}
                where {{ reason }} = 'future'
            )
        )
        {%- endif %}
)
{%- endmacro %}

{#- Which older rows are not among the fresh ones. -#}
{% macro not_fresh(entity, reason='reject_reason') -%}
    {%- set new = new_files(entity) -%}
    {{ reason }} is distinct from 'future'{{ ' and file_sha256 not in (' ~ new | join(', ') ~ ')' if new }}
{%- endmacro %}

{#- In a batch, a further condition: only rows whose key stands in a table of what is touched. -#}
{% macro and_touched(column, model_name) -%}
    {%- if not execute -%}
        {%- do ref(model_name) -%}
    {%- elif is_batch() -%}
        and {{ column }} in (select touched.{{ column.split('.')[-1] }} from {{ ref(model_name) }} as touched)
    {%- endif -%}
{%- endmacro %}

{#- dbt's strategy `replace`: what is made anew takes the place of what stood there. Which rows of the
    table that is says unique_key, by the new rows, or else the model's meta.touched, a condition on
    the table's own columns: so rows vanish, too, that nothing takes the place of. -#}
{% macro get_incremental_replace_sql(arguments) -%}
    {%- set target_relation = arguments['target_relation'] -%}
    {%- set new_rows = arguments['temp_relation'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set key = arguments['unique_key'] -%}
    delete from {{ target_relation }}
    {%- if is_batch() and key %}
    where ({{ key | join(', ') }}) in (select {{ key | join(', ') }} from {{ new_rows }})
    {%- elif is_batch() %}
    where {{ config.get('meta')['touched'] }}
    {%- endif %};
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ new_rows }}
{%- endmacro %}
