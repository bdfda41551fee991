with responses as (
    select
        response_key,
        response_id,
        source,
        file_sha256,
        row_number
    from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' and has_comment
),

-- comment text leaves the lake here and nowhere else
comments as (
    select
        response_id,
        _source as source,
        _file_sha256 as file_sha256,
        _row_number as row_number,
        comment
    from {{ source('raw', 'survey_responses') }}
    where comment is not null
)

select
    responses.response_key,
    comments.comment
from comments
inner join responses
    on
        comments.source = responses.source
        and comments.file_sha256 = responses.file_sha256
        and comments.row_number = responses.row_number
        -- a row may hold several answers
        and comments.response_id = responses.response_id
