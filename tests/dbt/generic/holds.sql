{#- What is true of a model's rows, each by itself, and which columns identify one. One test a model
    and not one a rule: a test costs more to start than a rule to look at. `broken` says which rule
    a row breaks (its first), and never what the row holds. -#}
{% test holds(model, key=[], filled=[], rules={}) %}
with judged as (
    select
        case
            {%- for column in filled %}
            when {{ column }} is null then '{{ column }} is null'
            {%- endfor %}
            {%- for name, expression in rules.items() %}
            when not coalesce({{ expression }}, false) then '{{ name }}'
            {%- endfor %}
            {%- if not filled and not rules %}
            when false then ''
            {%- endif %}
        end as broken
    from {{ model }}
)

select broken from judged
where broken is not null
{% if key %}
{%- set columns = key | join(', ') %}
union all
select '{{ columns }} not unique' as broken
from {{ model }}
-- hashes show whether any keys may be equal, in less time and memory than the keys, which decide
where hash({{ columns }}) in (
    select key_hash
    from (select hash({{ columns }}) as key_hash from {{ model }}) as hashed
    group by key_hash
    having count(*) > 1
)
group by {{ columns }}
having count(*) > 1
{% endif %}
{% endtest %}
