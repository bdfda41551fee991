{%- set key = ['metric', 'survey_type', 'period_start', 'period_end', 'dimension', 'segment'] -%}
{%- set columns = [
    'metric', 'survey_type', 'dimension', 'segment', 'promoters', 'passives', 'detractors',
    'period_start', 'period_end',
] -%}

with {{ judge_versions(ref('stg_score_summaries'), columns, key=key, version='snapshot_at', entity='score_summaries') }}

select * from judged
