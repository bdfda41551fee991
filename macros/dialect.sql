{#- Whatever DuckDB and Spark spell differently belongs here, and only here. -#}

{#- Text as a type; NULL where it is none of it. dbt's own safe_cast is a plain cast on DuckDB, which
    stops the build and quotes the cell. -#}
{% macro try_cast(text, type) -%}
    {{ return(adapter.dispatch('try_cast', 'nps_warehouse')(text, type)) }}
{%- endmacro %}

{% macro duckdb__try_cast(text, type) -%}
    try_cast({{ text }} as {{ type }})
{%- endmacro %}

{#- dbt's cast of a unit test's cell to its column's type. A fixture may give a key as a word: it stands for
    a key of the word's first eight bytes and half its MD5, so that keys are ordered as their words are. -#}
{% macro duckdb__safe_cast(field, type) -%}
    {%- if type | lower == var('key_type') -%}
        coalesce(
            try_cast({{ field }} as {{ type }}),
            cast(rpad(left(hex({{ field }}), 16), 16, '0') || left({{ dbt.hash(field) }}, 16) as {{ type }})
        )
    {%- else -%}
        cast({{ field }} as {{ type }})
    {%- endif -%}
{%- endmacro %}

{#- Whether the whole text matches an RE2 pattern. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'nps_warehouse')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{#- One member of a JSON object as text; NULL where it is absent or null. -#}
{% macro json_member(json, key) -%}
    {{ return(adapter.dispatch('json_member', 'nps_warehouse')(json, key)) }}
{%- endmacro %}

{% macro duckdb__json_member(json, key) -%}
    json_extract_string({{ json }}, '$."{{ key }}"')
{%- endmacro %}

{#- A row's columns as one JSON object of text, without NULLs: how a quarantined row is kept. -#}
{% macro row_as_json(columns, prefix='') -%}
    {{ return(adapter.dispatch('row_as_json', 'nps_warehouse')(columns, prefix)) }}
{%- endmacro %}

{% macro duckdb__row_as_json(columns, prefix) -%}
    cast(json_merge_patch('{}', json_object(
        {%- for column in columns -%} '{{ column }}', {{ prefix }}{{ column }} {%- if not loop.last -%}, {% endif -%} {%- endfor -%}
    )) as varchar)
{%- endmacro %}

{#- In a select list: a row for each of the texts that bars separate. neighbours: each with a bar and the text after
    it, which is empty where there is none. -#}
{% macro each_value(text, neighbours=false) -%}
    {{ return(adapter.dispatch('each_value', 'nps_warehouse')(text, neighbours)) }}
{%- endmacro %}

{% macro duckdb__each_value(text, neighbours) -%}
    {%- set values = "string_split(" ~ text ~ ", '|')" -%}
    unnest({{ values }})
    {%- if neighbours %} || '|' || coalesce(unnest({{ values }}[2:]), ''){% endif -%}
{%- endmacro %}

{#- Text in lower case and without accents, with a bar for everything that is neither letter nor digit: as many
    characters as the text has. apart: a bar more on either side of each Chinese character, which is a word by
    itself; one bar between two that stand beside each other. addresses: false leaves out what stands between
    blanks and has an at sign, a protocol, or a letter right after a dot: e-mails, handles and addresses of pages. -#}
{% macro barred_words(text, apart=false, addresses=true) -%}
    {{ return(adapter.dispatch('barred_words', 'nps_warehouse')(text, apart, addresses)) }}
{%- endmacro %}

{% macro duckdb__barred_words(text, apart, addresses) -%}
    {%- set kept = text if addresses else "regexp_replace(" ~ text ~ ", '\\S*([@＠]|://|[\\pL\\pN]\\.\\pL)\\S*', '', 'g')" -%}
    {%- set barred = "regexp_replace(strip_accents(lower(" ~ kept ~ ")), '[^\\pL\\pN]', '|', 'g')" -%}
    {%- if apart -%}
        regexp_replace(regexp_replace({{ barred }}, '(\p{Han})', '|\1', 'g'), '(\p{Han})([^\p{Han}|])', '\1|\2', 'g')
    {%- else -%}
        {{ barred }}
    {%- endif -%}
{%- endmacro %}

{#- The calendar day of a UTC instant in the workspace's business zone. The zone's name is read from the lake
    and written into the SQL: DuckDB takes six times as long where the name is a column. -#}
{% macro business_date(instant) -%}
    {%- set zone = first_column('select timezone from ' ~ of_lake('workspace')) | first | default('UTC') -%}
    {{ return(adapter.dispatch('business_date', 'nps_warehouse')(instant, "'" ~ zone ~ "'")) }}
{%- endmacro %}

{% macro duckdb__business_date(instant, zone) -%}
    cast(timezone({{ zone }}, make_timestamptz(epoch_us({{ instant }}))) as date)
{%- endmacro %}

{#- A date some days away from another. -#}
{% macro days_after(day, days) -%}
    cast({{ dbt.dateadd('day', days, day) }} as date)
{%- endmacro %}

{#- First day of the period that holds a day; weeks begin on Monday (ISO 8601). A fiscal period is a calendar
    period that is as many months late as its year begins after January. -#}
{% macro period_start(grain, day) -%}
    {%- if grain.startswith('fiscal_') -%}
        {%- set months = ((first_column('select fiscal_year_start from ' ~ of_lake('workspace')) | first) or 1) - 1 -%}
        cast({{ dbt.dateadd('month', months, dbt.date_trunc(grain.removeprefix('fiscal_'), dbt.dateadd('month', -months, day))) }} as date)
    {%- else -%}
        cast({{ dbt.date_trunc(grain, day) }} as date)
    {%- endif -%}
{%- endmacro %}

{#- Last day of the period that begins on a day. -#}
{% macro period_end(grain, start) -%}
    {{ days_after(dbt.dateadd(grain.removeprefix('fiscal_'), 1, start), -1) }}
{%- endmacro %}

{#- A share in [0, 1) drawn for a key: the same for the same key and seed, on any engine and in any order,
    and evenly spread over keys. The first 32 bits of an MD5. -#}
{% macro random_share(key, seed) -%}
    {{ return(adapter.dispatch('random_share', 'nps_warehouse')(key, seed)) }}
{%- endmacro %}

{% macro duckdb__random_share(key, seed) -%}
    cast('0x' || left({{ dbt.hash('cast(' ~ key ~ " as varchar) || '|' || " ~ seed) }}, 8) as bigint) / 4294967296e0
{%- endmacro %}
