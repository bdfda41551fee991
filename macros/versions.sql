{#- What becomes of every delivered row: the relation's columns plus row_status and its final
    reject_reason. Of the rows with one key the newest version is accepted (deleted, where it is a
    tombstone); rows of its content are duplicates, others superseded. If the newest version has two
    contents, all rows of that version are quarantined, because nothing says which one is true. Rows that
    their source excludes are excluded.
    Ties go by content, never by file order, so that any order of delivery gives the same tables.

    columns: what is kept of a row as delivered, beside its provenance;
    key: list of columns, within the source; ids: columns that are equal exactly where the key is: a full
    build compares these, which spares it a hash of every row;
    version: expression, or 'null' where rows carry none; deleted: expression;
    withdrawals: reject reasons beside `excluded` that a versioned row may carry and still supersede older ones;
    entity: whose delivered rows a staging relation holds: in a batch the new ones are judged with the older
    ones of their keys. None: the relation holds all that is to be judged. -#}
{% macro judge_versions(relation, columns, key, version, deleted='false', withdrawals=[], entity=none, ids=none) -%}
{%- set columns = columns + var('provenance_columns') %}
{%- if entity and is_batch() %}
{{ delivered_rows(relation, entity, this, columns) }},

-- which of their keys were known before: keys alone are looked up, for reading rows costs more
known_keys as (
    select distinct
        known.source
        {%- for column in key %},
        known.{{ column }}
        {%- endfor %}
    from {{ this }} as known
    inner join delivered on {{ same_key('known', 'delivered', key) }}
),

-- older rows of the same keys compete with them: their own reason, if any, was staging's
to_judge as (
    select
        {{ columns | join(',\n        ') }},
        reject_reason
    from delivered

    union all

    select
        {%- for column in columns %}
        known.{{ column }},
        {%- endfor %}
        nullif(known.reject_reason, 'conflicting_duplicate') as reject_reason
    from {{ this }} as known
    inner join known_keys on {{ same_key('known', 'known_keys', key) }}
    where
        known.reject_reason is distinct from 'future'
        and known.file_sha256 not in ({{ (["''"] + new_files(entity)) | join(', ') }})
),
{%- set relation = 'to_judge' %}

{% elif ids -%}
{%- set key = ids %}
{%- endif -%}
valid as (
    select
        source,
        file_sha256,
        row_number,
        row_hash,
        {{ key | join(', ') }},
        {{ version }} as version_at,
        {{ deleted }} as is_tombstone
    from {{ relation }}
    where
        reject_reason is null
        -- a newer version that takes the row back leaves no older one standing
        or (reject_reason in ('{{ (['excluded'] + withdrawals) | join("', '") }}') and {{ version }} is not null)
),

-- Windows run over contested keys alone: most rows have a key of their own.
contested_keys as (
    select source, {{ key | join(', ') }}
    from valid
    group by source, {{ key | join(', ') }}
    having count(*) > 1
),

-- the newest version first: in it the row that wins
ranked as (
    select
        valid.source,
        {%- for column in key %}
        valid.{{ column }},
        {%- endfor %}
        valid.file_sha256,
        valid.row_number,
        valid.is_tombstone,
        valid.version_at,
        valid.row_hash,
        row_number() over newest_first as place,
        first_value(valid.version_at) over newest_first as newest_version_at,
        first_value(valid.row_hash) over newest_first as winning_hash,
        first_value(valid.is_tombstone) over newest_first as newest_is_tombstone
    from valid
    inner join contested_keys on {{ same_key('valid', 'contested_keys', key) }}
    window newest_first as (
        partition by valid.source{% for column in key %}, valid.{{ column }}{% endfor %}
        order by
            -- a deletion without a version is a standing order: it removes whatever came
            case when valid.is_tombstone and valid.version_at is null then 0 else 1 end asc nulls last,
            valid.version_at desc nulls last,
            case when valid.is_tombstone then 0 else 1 end asc nulls last,
            valid.row_hash asc nulls last,
            valid.file_sha256 asc nulls last,
            valid.row_number asc nulls last
    )
),

contenders as (
    select
        *,
        row_hash = winning_hash as is_same_content,
        (version_at is not distinct from newest_version_at) and is_tombstone = newest_is_tombstone as is_newest
    from ranked
),

conflicting_keys as (
    select distinct source, {{ key | join(', ') }}
    from contenders
    where is_newest and not is_same_content and not is_tombstone
),

statuses as (
    select
        contenders.source,
        contenders.file_sha256,
        contenders.row_number,
        contenders.row_hash,
        case
            when contenders.is_newest and conflicting_keys.source is not null then 'quarantined'
            when contenders.place = 1 and contenders.is_tombstone then 'deleted'
            when contenders.place = 1 then 'accepted'
            when contenders.is_same_content then 'duplicate'
            else 'superseded'
        end as row_status
    from contenders
    left join conflicting_keys on {{ same_key('contenders', 'conflicting_keys', key) }}
),

judged as (
    select
        {%- for column in columns %}
        {{ 'cast(delivered.row_hash as ' ~ var('key_type') ~ ') as row_hash' if column == 'row_hash' else 'delivered.' ~ column }},
        {%- endfor %}
        case
            when delivered.reject_reason = 'excluded' then 'excluded'
            when delivered.reject_reason is not null then 'quarantined'
            when statuses.row_status is not null then statuses.row_status
            when {{ deleted }} then 'deleted'
            else 'accepted'
        end as row_status,
        case
            when delivered.reject_reason is not null then delivered.reject_reason
            when statuses.row_status = 'quarantined' then 'conflicting_duplicate'
        end as reject_reason,
        {{ this_batch() }} as batch
    from {{ relation }} as delivered
    left join statuses
        on
            delivered.source = statuses.source
            and delivered.file_sha256 = statuses.file_sha256
            and delivered.row_number = statuses.row_number
            -- a row may hold several answers, of different hashes
            and delivered.row_hash = statuses.row_hash
)
{%- endmacro %}

{#- Whether rows of two relations have one key, as a condition: of one source, and equal in each of
    the key's columns. NULL key parts compare as equal. -#}
{% macro same_key(left, right, key) -%}
    {{ left }}.source = {{ right }}.source
    {%- for column in key %} and {{ left }}.{{ column }} is not distinct from {{ right }}.{{ column }}{% endfor %}
{%- endmacro %}
