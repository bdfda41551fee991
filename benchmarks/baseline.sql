-- The foundation's tables by hand: what somebody who knows DuckDB, and just these files, would write.
-- One process, no framework, nothing checked that these deliveries do not need. Run in a workspace's
-- folder by `python -m benchmarks.baseline`; each statement's name stands above it.
-- Variables: as_of_on. `published` is an attached new file. Text is carried as little as can be,
-- comments never; customers are numbers (c) until the end; windows run where rows are contested.

-- name: settings
set TimeZone = 'UTC';
set preserve_insertion_order = false;
create temp macro utc(wall) as timezone('UTC', timezone('Europe/Brussels', cast(wall as timestamp)));
create temp macro business_day(instant) as cast(timezone('Europe/Brussels', timezone('UTC', instant)) as date);
-- an address that stands for a person is hashed with a key
create temp macro keyed(address) as md5(getvariable('hash_key')[33:] || md5(getvariable('hash_key')[:32] || address));
create temp macro file_of(path) as split_part(path, '/', -1);
set variable as_of_at = (select utc(getvariable('as_of_on') + 1));

-- The runner hashes the files: Python's SHA-256 is ten times as fast as DuckDB's.
-- Wilson's bound of a share, the lower one for a negative z.
-- name: wilson
create temp macro wilson(k, n, z) as case
    when k = 0 and z < 0 then 0
    when k = n and z > 0 then 1
    else (k / n + z * z / (2 * n) + z * sqrt(k / n * (1 - k / n) / n + z * z / (4.0 * n * n))) / (1 + z * z / n)
end;

-- name: files
create temp table files as
select
    split_part(path, '/', -2) as source,
    case split_part(file_of(path), '_', 1)
        when 'responses' then 'survey_responses'
        when 'invitations' then 'survey_invitations'
        else split_part(file_of(path), '_', 1)
    end as entity,
    file_of(path) as file_name,
    file_sha256,
    utc(strptime(regexp_extract(path, '_([0-9]{8})[.]', 1), '%Y%m%d')) as snapshot_at
from hashed;

-- --- the lake: the text as it was delivered, one Parquet an entity ------------------------------

-- name: lake responses
copy (
    select
        * exclude (filename),
        file_of(filename) as file_name,
        comment is not null as has_comment,
        hash(id, survey, invitation, customer, email, score, submitted, updated, comment, channel, language, deleted) as content
    from read_csv(
        'landing/pulse/responses_*.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', filename = true,
        columns = {
            'id': 'varchar', 'survey': 'varchar', 'invitation': 'varchar', 'customer': 'varchar', 'email': 'varchar', 'score': 'varchar',
            'submitted': 'varchar', 'updated': 'varchar', 'comment': 'varchar', 'channel': 'varchar', 'language': 'varchar', 'deleted': 'varchar'
        }
    )
) to 'baseline/lake/responses.parquet' (format parquet, compression zstd, compression_level 1);

-- name: lake invitations
copy (
    select * exclude (filename), file_of(filename) as file_name
    from read_csv(
        'landing/pulse/invitations_*.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', filename = true,
        columns = {
            'invitation': 'varchar', 'survey': 'varchar', 'customer': 'varchar', 'channel': 'varchar',
            'sent': 'varchar', 'delivered': 'varchar', 'opened': 'varchar', 'bounced': 'varchar'
        }
    )
) to 'baseline/lake/invitations.parquet' (format parquet, compression zstd, compression_level 1);

-- name: lake customers
copy (
    select * exclude (filename), file_of(filename) as file_name
    from read_csv(
        'landing/crm/customers_*.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', filename = true,
        columns = {
            'customer_no': 'varchar', 'email': 'varchar', 'account_no': 'varchar', 'full_name': 'varchar',
            'customer_since': 'varchar', 'left_on': 'varchar', 'region': 'varchar', 'plan': 'varchar'
        }
    )
) to 'baseline/lake/customers.parquet' (format parquet, compression zstd, compression_level 1);

-- name: lake subscriptions
copy (
    select * exclude (filename), file_of(filename) as file_name
    from read_csv(
        'landing/crm/subscriptions_*.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', filename = true,
        columns = {
            'subscription': 'varchar', 'customer_no': 'varchar', 'started': 'varchar', 'ended': 'varchar',
            'plan': 'varchar', 'fee': 'varchar', 'currency': 'varchar'
        }
    )
) to 'baseline/lake/subscriptions.parquet' (format parquet, compression zstd, compression_level 1);

-- name: lake invoices
copy (
    select * exclude (filename), file_of(filename) as file_name
    from read_csv(
        'landing/crm/invoices_*.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', filename = true,
        columns = {
            'invoice_no': 'varchar', 'customer_no': 'varchar', 'day': 'varchar', 'amount': 'varchar', 'kind': 'varchar', 'currency': 'varchar'
        }
    )
) to 'baseline/lake/invoices.parquet' (format parquet, compression zstd, compression_level 1);

-- name: dim_surveys
create table published.dim_surveys as
select
    md5('pulse|' || id) as survey_key,
    'pulse' as source,
    id as survey_id,
    title as name,
    metric,
    kind as survey_type,
    scale,
    about as touchpoint
from read_csv('landing/pulse/surveys_*.csv', all_varchar = true, header = true, delim = ',');

-- --- customers ---------------------------------------------------------------------------------

-- name: snapshots
create temp table snapshots as
select
    customer_no,
    lower(trim(email)) as email,
    account_no,
    utc(try_cast(customer_since as date)) as signed_up_at,
    utc(try_cast(left_on as date)) as churned_at,
    region,
    plan,
    file_name,
    snapshot_at,
    customer_no is null
    or (customer_since is not null and try_cast(customer_since as date) is null)
    or (left_on is not null and try_cast(left_on as date) is null)
    or snapshot_at >= getvariable('as_of_at') as is_rejected
from 'baseline/lake/customers.parquet'
inner join files using (file_name);

-- name: customers
create temp table customers as
with newest as (
    select
        customer_no,
        arg_max({
            'account_no': account_no, 'signed_up_at': signed_up_at, 'churned_at': churned_at, 'region': region, 'plan': plan
        }, snapshot_at) as now,
        -- most never change: for them history is one row, and no window runs
        min(region) is distinct from max(region) or min(plan) is distinct from max(plan)
        or count(region) not in (0, count(*)) or count(plan) not in (0, count(*)) as has_changed
    from snapshots
    where not is_rejected
    group by customer_no
)

select
    cast(row_number() over () as int) as c,
    customer_no,
    md5('crm|' || customer_no) as customer_key,
    md5('crm|' || now.account_no) as account_key,
    now.signed_up_at as signed_up_at,
    now.churned_at as churned_at,
    now.region as region,
    now.plan as plan,
    has_changed
from newest;

-- name: history
create temp table history as
with compared as (
    select
        customers.c,
        snapshots.region,
        snapshots.plan,
        snapshots.snapshot_at,
        lag(snapshot_at) over in_order is null
        or snapshots.region is distinct from lag(snapshots.region) over in_order
        or snapshots.plan is distinct from lag(snapshots.plan) over in_order as is_change
    from snapshots
    inner join customers using (customer_no)
    where customers.has_changed and not snapshots.is_rejected
    window in_order as (partition by customers.c order by snapshots.snapshot_at)
)

select
    c,
    region,
    plan,
    case when lag(snapshot_at) over in_order is null then timestamp '1900-01-01' else snapshot_at end as valid_from,
    lead(snapshot_at) over in_order as valid_to
from compared
where is_change
window in_order as (partition by c order by snapshot_at);

-- name: dim_customer_history
create table published.dim_customer_history as
select customer_key, region, plan, timestamp '1900-01-01' as valid_from, cast(null as timestamp) as valid_to
from customers
where not has_changed
union all
select customers.customer_key, history.region, history.plan, history.valid_from, history.valid_to
from history
inner join customers using (c);

-- --- money -------------------------------------------------------------------------------------

-- name: subscriptions
create temp table subscriptions as
select
    lake.subscription,
    customers.c,
    utc(try_cast(lake.started as date)) as started_at,
    utc(try_cast(lake.ended as date)) as ended_at,
    try_cast(lake.fee as double) as mrr,
    lake.file_name,
    files.snapshot_at,
    hash(lake.customer_no, lake.started, lake.ended, lake.plan, lake.fee, lake.currency) as content,
    lake.subscription is null or lake.customer_no is null or try_cast(lake.started as date) is null
    or (lake.ended is not null and try_cast(lake.ended as date) is null)
    or utc(try_cast(lake.started as date)) >= getvariable('as_of_at')
    or (lake.fee is not null and try_cast(lake.fee as double) is null)
    or lake.currency <> 'EUR' as is_rejected
from 'baseline/lake/subscriptions.parquet' as lake
inner join files using (file_name)
left join customers using (customer_no);

-- name: subscriptions now
create temp table subscriptions_now as
select
    subscription,
    max(snapshot_at) as snapshot_at,
    arg_max({'c': c, 'started_at': started_at, 'ended_at': ended_at, 'mrr': mrr, 'content': content}, snapshot_at) as now
from subscriptions
where not is_rejected
group by subscription;

-- name: invoices
create temp table invoices as
select
    lake.invoice_no,
    customers.c,
    utc(try_cast(lake.day as date)) as invoiced_at,
    case when lake.kind = 'refund' then -abs(try_cast(lake.amount as double)) else try_cast(lake.amount as double) end as amount,
    lake.file_name,
    hash(lake.customer_no, lake.day, lake.amount, lake.kind, lake.currency) as content,
    case
        when
            lake.invoice_no is null or lake.customer_no is null or lake.kind not in ('recurring', 'one_off', 'refund')
            or try_cast(lake.day as date) is null or utc(try_cast(lake.day as date)) >= getvariable('as_of_at')
            or try_cast(lake.amount as double) is null or lake.currency <> 'EUR'
            then 'quarantined'
        else 'accepted'
    end as status
from 'baseline/lake/invoices.parquet' as lake
left join customers using (customer_no);

-- name: invoices contested
update invoices set status = judged.status
from (
    select
        invoices.rowid as row_no,
        case
            when row_number() over newest_first = 1 then 'accepted'
            when content = first_value(content) over newest_first then 'duplicate'
            else 'superseded'
        end as status
    from invoices
    inner join files using (file_name)
    where
        status = 'accepted'
        and invoice_no in (select invoice_no from invoices where status = 'accepted' group by invoice_no having count(*) > 1)
    window newest_first as (partition by invoice_no order by snapshot_at desc, content)
) as judged
where invoices.rowid = judged.row_no and judged.status <> 'accepted';

-- name: money
create temp table money as
select c, invoiced_at as moved_at, amount as revenue, cast(0 as double) as mrr from invoices where status = 'accepted'
union all
select now.c, now.started_at, 0, coalesce(now.mrr, 0) from subscriptions_now
union all
select now.c, now.ended_at, 0, -coalesce(now.mrr, 0) from subscriptions_now where now.ended_at is not null;

-- name: lives
create temp table lives as
with ended as (
    select now.c as c, max(now.ended_at) as ended_at
    from subscriptions_now
    group by 1
    having count(*) = count(now.ended_at)
),

worth as (
    select c, sum(revenue) as realised_ltv, sum(mrr) as mrr
    from money
    where moved_at < getvariable('as_of_at')
    group by c
)

select
    customers.c,
    customers.region,
    customers.plan,
    customers.has_changed,
    coalesce(customers.churned_at, ended.ended_at) as churned_at,
    business_day(coalesce(customers.churned_at, ended.ended_at)) as churned_on,
    business_day(customers.signed_up_at) as signed_up_on,
    coalesce(worth.realised_ltv, 0) as realised_ltv,
    coalesce(worth.mrr, 0) as mrr
from customers
left join ended using (c)
left join worth using (c);

-- --- answers -----------------------------------------------------------------------------------

-- name: invitations
create temp table invitations as
select
    invitation,
    survey,
    customer,
    try_cast(sent as timestamp) as sent_at,
    bounced is not null as is_bounced,
    file_name,
    case
        when
            invitation is null or try_cast(sent as timestamp) is null or try_cast(sent as timestamp) >= getvariable('as_of_at')
            or (delivered is not null and try_cast(delivered as timestamp) is null)
            or (opened is not null and try_cast(opened as timestamp) is null)
            or (bounced is not null and try_cast(bounced as timestamp) is null)
            then 'quarantined'
        else 'accepted'
    end as status
from 'baseline/lake/invitations.parquet';

-- name: delivered
create temp table delivered as
select
    lake.id,
    surveys.survey_id,
    lake.invitation,
    lake.customer,
    -- an address is of use only where no id is
    case when customers.c is null then lower(trim(lake.email)) end as email,
    customers.c,
    lake.channel,
    lake.language,
    lake.has_comment,
    try_cast(lake.score as int) as score,
    try_cast(lake.submitted as timestamp) as submitted_at,
    try_cast(lake.updated as timestamp) as updated_at,
    lake.deleted is not null and lower(lake.deleted) in ('true', 't', 'yes', 'y', '1') as is_deleted,
    lake.content,
    lake.file_name,
    case
        when lake.id is null then 'missing_id'
        when lake.updated is not null and try_cast(lake.updated as timestamp) is null then 'bad_timestamp'
        when try_cast(lake.updated as timestamp) >= getvariable('as_of_at') then 'future'
        when lower(lake.deleted) in ('true', 't', 'yes', 'y', '1') then null
        when lake.submitted is null and lake.score is null then 'score_missing'
        when try_cast(lake.submitted as timestamp) is null then 'bad_timestamp'
        when try_cast(lake.submitted as timestamp) >= getvariable('as_of_at') then 'future'
        when lake.score is null then 'score_missing'
        when try_cast(lake.score as int) is null then 'score_not_a_whole_number'
        when surveys.survey_id is null then 'unknown_scale'
        when try_cast(lake.score as int) not between 0 and 10 then 'score_out_of_range'
        when
            try_cast(lake.submitted as timestamp) < invitations.sent_at
            -- midnight is a day without a time
            and business_day(try_cast(lake.submitted as timestamp) - interval 1 second) = business_day(try_cast(lake.submitted as timestamp))
            then 'answered_before_sent'
    end as reason
from 'baseline/lake/responses.parquet' as lake
left join published.dim_surveys as surveys on lake.survey = surveys.survey_id
left join invitations on lake.invitation = invitations.invitation and invitations.status = 'accepted'
left join customers on lake.customer = customers.customer_no;

-- name: contested
create temp table contested as
with valid as (
    select
        delivered.rowid as row_no,
        id,
        is_deleted,
        updated_at,
        content,
        file_name
    from delivered
    where reason is null or (reason = 'score_missing' and updated_at is not null)
),

ranked as (
    select
        valid.*,
        rank() over (
            partition by id
            order by is_deleted and updated_at is null desc, updated_at is null, updated_at desc, is_deleted desc
        ) as version_rank
    from valid
    where id in (select id from valid group by id having count(*) > 1)
),

placed as (
    select
        ranked.*,
        row_number() over newest_first as place,
        first_value(content) over newest_first as winner,
        min(content) over one_version <> max(content) over one_version and not bool_or(is_deleted) over one_version as is_conflicting
    from ranked
    inner join files using (file_name)
    window
        newest_first as (partition by id order by version_rank, content, file_sha256),
        one_version as (partition by id, version_rank)
)

select
    row_no,
    case
        when version_rank = 1 and is_conflicting then 'quarantined'
        when place = 1 and is_deleted then 'deleted'
        when place = 1 then 'accepted'
        when content = winner then 'duplicate'
        else 'superseded'
    end as status
from placed;

-- name: statuses
create temp table statuses as
select
    delivered.rowid as row_no,
    case
        when delivered.reason is not null then 'quarantined'
        when contested.status is not null then contested.status
        when delivered.is_deleted then 'deleted'
        else 'accepted'
    end as status
from delivered
left join contested on delivered.rowid = contested.row_no
where delivered.reason is not null or delivered.is_deleted or contested.status is not null;

-- name: identities
create temp table identities as
with lost as (
    select delivered.rowid as row_no, customer, email
    from delivered
    left join statuses on delivered.rowid = statuses.row_no
    where coalesce(statuses.status, 'accepted') = 'accepted' and c is null
),

-- an address that two customers ever held identifies neither
holders as (
    select email, min(c) as c
    from (
        select distinct snapshots.email, customers.c
        from snapshots
        inner join customers using (customer_no)
        where not snapshots.is_rejected and snapshots.email in (select email from lost)
    )
    group by email
    having count(*) = 1
),

unknown as (
    select
        customer,
        cast((select count(*) from customers) + row_number() over () as int) as c
    from (
        select distinct customer from lost
        where customer is not null and email is null or email not in (select email from holders)
    )
    where customer is not null
)

select
    lost.row_no,
    coalesce(holders.c, unknown.c) as c,
    case when holders.c is null then unknown.customer end as inferred_no
from lost
left join holders using (email)
left join unknown on lost.customer = unknown.customer;

-- name: answers
create temp table answers as
select
    cast(row_number() over () as int) as a,
    coalesce(delivered.c, identities.c) as c,
    -- of those whom nobody knows
    case when coalesce(delivered.c, identities.c) is null then delivered.email end as email,
    md5('pulse|' || delivered.id) as response_key,
    delivered.id as response_id,
    delivered.survey_id,
    delivered.survey_id = getvariable('headline') as is_headline,
    delivered.invitation,
    delivered.channel,
    delivered.language,
    case when lives.has_changed then history.region else lives.region end as region,
    case when lives.has_changed then history.plan else lives.plan end as plan,
    delivered.score,
    case when delivered.score >= 9 then 'promoter' when delivered.score >= 7 then 'passive' else 'detractor' end as nps_class,
    case when delivered.score >= 9 then 100 when delivered.score >= 7 then 0 else -100 end as contribution,
    delivered.has_comment,
    delivered.submitted_at as responded_at,
    business_day(delivered.submitted_at) as responded_on,
    delivered.updated_at as version_at
from delivered
left join statuses on delivered.rowid = statuses.row_no
left join identities on delivered.rowid = identities.row_no
left join lives on coalesce(delivered.c, identities.c) = lives.c
left join history
    on
        coalesce(delivered.c, identities.c) = history.c
        and delivered.submitted_at >= history.valid_from
        -- an OR in an outer join's condition would make it a nested loop
        and delivered.submitted_at < coalesce(history.valid_to, timestamp 'infinity')
where coalesce(statuses.status, 'accepted') = 'accepted';

-- name: everybody
create temp table everybody as
select c, customer_key, account_key from customers
union all
select distinct c, md5('crm|' || inferred_no), cast(null as varchar) from identities where inferred_no is not null;

-- name: fct_nps_responses
create table published.fct_nps_responses as
select
    answers.response_key,
    'pulse' as source,
    answers.response_id,
    surveys.survey_key,
    answers.survey_id,
    everybody.customer_key,
    everybody.account_key,
    coalesce(everybody.customer_key, keyed(answers.email), answers.response_key) as voice_key,
    surveys.metric,
    surveys.survey_type,
    surveys.scale,
    answers.channel,
    surveys.touchpoint,
    answers.language,
    answers.region,
    answers.plan,
    answers.score,
    answers.nps_class,
    answers.contribution,
    answers.has_comment,
    answers.responded_at,
    answers.responded_on,
    answers.version_at
from answers
left join published.dim_surveys as surveys using (survey_id)
left join everybody using (c);

-- name: dim_customers
create table published.dim_customers as
select
    customers.customer_key,
    'crm' as source,
    customers.customer_no as customer_id,
    customers.account_key,
    customers.region,
    customers.plan,
    customers.signed_up_at,
    lives.churned_at,
    lives.churned_at is null or lives.churned_at >= getvariable('as_of_at') as is_active,
    false as is_inferred,
    true as has_churn_information
from customers
inner join lives using (c)
union all
select distinct
    md5('crm|' || inferred_no),
    'crm',
    inferred_no,
    cast(null as varchar),
    cast(null as varchar),
    cast(null as varchar),
    cast(null as timestamp),
    cast(null as timestamp),
    cast(null as boolean),
    true,
    false
from identities
where inferred_no is not null;

-- name: fct_nps_churn
create table published.fct_nps_churn as
with line_of_time as (
    select c, moved_at as happened_at, 0 as a, revenue, mrr from money where c is not null
    union all
    select c, responded_at, a, 0, 0 from answers where c is not null
),

running as (
    select
        a,
        sum(revenue) over so_far as revenue_before,
        sum(mrr) over so_far as mrr_at_answer
    from line_of_time
    window so_far as (partition by c order by happened_at, a rows between unbounded preceding and current row)
    qualify a > 0
)

select
    answers.response_key,
    everybody.customer_key,
    surveys.metric,
    surveys.survey_type,
    answers.nps_class,
    answers.region,
    answers.plan,
    answers.responded_on,
    lives.churned_on,
    case when lives.churned_at > answers.responded_at then cast(lives.churned_on - answers.responded_on as int) end as days_to_churn,
    lives.c is not null as has_churn_information,
    case when lives.c is not null then lives.churned_at is null or lives.churned_at > answers.responded_at end as was_active_at_answer,
    case when lives.c is not null then round(running.mrr_at_answer, 6) end as mrr_at_answer,
    case when lives.c is not null then round(running.revenue_before, 6) end as revenue_before
from running
inner join answers using (a)
inner join published.dim_surveys as surveys using (survey_id)
inner join everybody using (c)
left join lives using (c);

-- --- periods -----------------------------------------------------------------------------------

-- One sort for everything that asks what a customer said before and after.
-- name: turns
create temp table turns as
select
    a,
    c,
    survey_id,
    is_headline,
    responded_on,
    responded_at,
    score,
    contribution,
    region,
    plan,
    channel,
    cast(row_number() over in_order as int) as turn,
    lag(score) over in_order as previous_score,
    lead(responded_on) over in_order as next_on
from answers
where c is not null
window in_order as (partition by c, survey_id order by responded_at, version_at nulls first, length(response_id), response_id);

-- In which periods an answer is its voice's last, as bits; then one count where else would be eighteen sums.
-- name: days
create temp table days as
with masked as (
    select
        survey_id, responded_on, contribution, region, plan, channel,
        case when next_on is null then 63 else
            (next_on > responded_on)::int
            + 2 * (date_trunc('week', next_on) > date_trunc('week', responded_on))::int
            + 4 * (date_trunc('month', next_on) > date_trunc('month', responded_on))::int
            + 8 * (date_trunc('quarter', next_on) > date_trunc('quarter', responded_on))::int
            + 16 * (date_trunc('year', next_on) > date_trunc('year', responded_on))::int
        end as mask
    from turns
    union all
    select survey_id, responded_on, contribution, region, plan, channel, 63 from answers where c is null
),

counted as (
    select
        survey_id,
        responded_on,
        contribution,
        mask,
        case when grouping(region) = 0 then 'region' when grouping(plan) = 0 then 'plan' when grouping(channel) = 0 then 'channel' else 'all' end as dimension,
        case
            when grouping(region) = 0 then coalesce(region, '(unknown)')
            when grouping(plan) = 0 then coalesce(plan, '(unknown)')
            when grouping(channel) = 0 then coalesce(channel, '(unknown)')
            else 'all'
        end as segment,
        count(*) as answers
    from masked
    group by grouping sets (
        (survey_id, responded_on, contribution, mask),
        (survey_id, responded_on, contribution, mask, region),
        (survey_id, responded_on, contribution, mask, plan),
        (survey_id, responded_on, contribution, mask, channel)
    )
)

select surveys.metric, surveys.survey_type, counted.* exclude (survey_id)
from counted
inner join published.dim_surveys as surveys using (survey_id)
-- the survey has its touchpoint: no need to count again
union all
select surveys.metric, surveys.survey_type, counted.* exclude (survey_id) replace ('survey' as dimension, survey_id as segment)
from counted
inner join published.dim_surveys as surveys using (survey_id)
where dimension = 'all'
union all
select surveys.metric, surveys.survey_type, counted.* exclude (survey_id) replace ('touchpoint' as dimension, coalesce(surveys.touchpoint, '(unknown)') as segment)
from counted
inner join published.dim_surveys as surveys using (survey_id)
where dimension = 'all';

-- name: periods
create temp table periods as
with grains as (
    select * from (values ('day', 1), ('week', 2), ('month', 4), ('quarter', 8), ('year', 16), ('all', 32)) as grains (time_grain, bit)
),

spans as (
    select metric, survey_type, min(responded_on) as first_on, max(responded_on) as last_on
    from days
    where dimension = 'all'
    group by all
),

summed as (
    select
        grains.time_grain,
        case grains.time_grain
            when 'day' then days.responded_on
            when 'week' then cast(date_trunc('week', days.responded_on) as date)
            when 'month' then cast(date_trunc('month', days.responded_on) as date)
            when 'quarter' then cast(date_trunc('quarter', days.responded_on) as date)
            when 'year' then cast(date_trunc('year', days.responded_on) as date)
        end as period_start,
        bases.basis,
        days.metric,
        days.survey_type,
        days.dimension,
        days.segment,
        cast(sum(days.answers) filter (days.contribution > 0) as bigint) as promoters,
        cast(sum(days.answers) filter (days.contribution = 0) as bigint) as passives,
        cast(sum(days.answers) filter (days.contribution < 0) as bigint) as detractors
    from days
    cross join grains
    cross join (values ('responses'), ('customers')) as bases (basis)
    where bases.basis = 'responses' or (days.mask & grains.bit) > 0
    group by all
),

named as (
    select
        summed.time_grain,
        coalesce(summed.period_start, spans.first_on) as period_start,
        case summed.time_grain
            when 'day' then summed.period_start
            when 'week' then summed.period_start + 6
            when 'month' then cast(summed.period_start + interval 1 month as date) - 1
            when 'quarter' then cast(summed.period_start + interval 3 month as date) - 1
            when 'year' then cast(summed.period_start + interval 1 year as date) - 1
            else spans.last_on
        end as period_end,
        summed.basis,
        summed.metric,
        summed.survey_type,
        summed.dimension,
        summed.segment,
        coalesce(summed.promoters, 0) as p,
        coalesce(summed.passives, 0) as m,
        coalesce(summed.detractors, 0) as d,
        p + m + d as n,
        n >= 5 as is_shown,
        -- adjusted Wald: three answers more
        100.0 * (p - d) / (n + 3) as adjusted,
        100.0 * sqrt(((p + d + 1.5) / (n + 3) - ((p - d) / (n + 3)) ** 2) / (n + 3)) as adjusted_error
    from summed
    inner join spans using (metric, survey_type)
)

select
    time_grain, period_start, period_end, basis, metric, survey_type, dimension, segment,
    n as responses, p as promoters, m as passives, d as detractors,
    case when is_shown then 100.0 * (p - d) / n end as nps,
    case when is_shown and greatest(p, m, d) = n then adjusted_error when is_shown then 100.0 * sqrt(((p + d) / n - ((p - d) / n) ** 2) / n) end as standard_error,
    case when is_shown then greatest(-100, least(100, adjusted - 1.959963984540054 * adjusted_error)) end as ci_low,
    case when is_shown then greatest(-100, least(100, adjusted + 1.959963984540054 * adjusted_error)) end as ci_high,
    not is_shown as is_suppressed
from named;

-- name: fct_nps_by_period
create table published.fct_nps_by_period as
select * exclude (dimension, segment) from periods where dimension = 'all';

-- name: fct_nps_by_segment_period
create table published.fct_nps_by_segment_period as
select * from periods where dimension <> 'all';

-- --- outcomes ----------------------------------------------------------------------------------

-- Silence counts from 30 days after the sending, of those who had not answered by then.
-- name: silent
create temp table silent as
with answered as (
    select delivered.invitation, min(delivered.submitted_at) filter (coalesce(statuses.status, 'accepted') = 'accepted') as answered_at
    from delivered
    left join statuses on delivered.rowid = statuses.row_no
    where
        -- who answered, if only by something that cannot be read, was not silent
        coalesce(statuses.status, 'accepted') = 'accepted'
        or (statuses.status = 'quarantined' and delivered.reason is distinct from 'score_missing' and delivered.reason is distinct from 'future')
    group by 1
),

asked as (
    select
        lives.c,
        lives.has_changed,
        lives.region,
        lives.plan,
        lives.churned_at,
        lives.churned_on,
        invitations.survey as survey_id,
        invitations.invitation,
        invitations.sent_at,
        invitations.sent_at + interval 30 day as landmark_at,
        business_day(invitations.sent_at) + 30 as landmark_on,
        case when answered.invitation is not null then coalesce(answered.answered_at, invitations.sent_at) end as responded_at
    from invitations
    inner join customers on invitations.customer = customers.customer_no
    inner join lives using (c)
    left join answered using (invitation)
    where invitations.status = 'accepted' and (answered.invitation is not null or not invitations.is_bounced)
),

first_answers as (
    select c, survey_id, min(responded_at) as first_at
    from (
        select c, survey_id, responded_at from answers where c is not null
        union all
        select c, survey_id, responded_at from asked
    )
    group by all
)

select
    asked.c,
    asked.survey_id,
    asked.invitation,
    case when first_answers.first_at <= asked.landmark_at then 'answered_other' else 'no_response' end as nps_class,
    case when asked.has_changed then history.region else asked.region end as region,
    case when asked.has_changed then history.plan else asked.plan end as plan,
    asked.landmark_at,
    asked.landmark_on,
    case when asked.churned_at > asked.landmark_at then asked.churned_on - asked.landmark_on end as days_to_churn,
    asked.churned_at is null or asked.churned_at > asked.landmark_at as is_active
from asked
left join first_answers using (c, survey_id)
left join history
    on asked.c = history.c and asked.sent_at >= history.valid_from and asked.sent_at < coalesce(history.valid_to, timestamp 'infinity')
where coalesce(asked.responded_at > asked.landmark_at, true) and asked.landmark_on <= getvariable('as_of_on');

-- name: nps_outcomes_by_class
create table published.nps_outcomes_by_class as
with anchors as (
    select
        turns.c,
        turns.survey_id,
        case turns.contribution when 100 then 'promoter' when 0 then 'passive' else 'detractor' end as nps_class,
        turns.region,
        turns.plan,
        turns.responded_on as anchored_on,
        turns.responded_at as anchored_at,
        answers.response_key as anchor_key,
        case when lives.churned_at > turns.responded_at then lives.churned_on - turns.responded_on end as days_to_churn,
        lives.churned_at is null or lives.churned_at > turns.responded_at as is_active
    from turns
    inner join answers using (a)
    left join lives on turns.c = lives.c
    union all
    select c, survey_id, nps_class, region, plan, landmark_on, landmark_at, md5('pulse|' || invitation), days_to_churn, is_active
    from silent
),

-- one customer, one voice: the first answer or silence at which it was still there
placed as (
    select
        anchors.*,
        getvariable('as_of_on') - anchors.anchored_on as age,
        lives.c is not null as is_known,
        lives.c is not null and is_active as is_at_risk,
        is_active and row_number() over (
            partition by anchors.c, survey_id, is_active order by anchored_on, anchored_at, anchor_key
        ) = 1 as is_first,
        case when lives.churned_at < getvariable('as_of_at') then 0 else lives.mrr end as mrr,
        lives.realised_ltv
    from anchors
    left join lives using (c)
),

-- all windows in one pass, side by side
counted as (
    select
        survey_id,
        nps_class,
        case when grouping(region) = 0 then 'region' when grouping(plan) = 0 then 'plan' else 'all' end as dimension,
        case when grouping(region) = 0 then coalesce(region, '(unknown)') when grouping(plan) = 0 then coalesce(plan, '(unknown)') else 'all' end as segment,
        count(*) filter (is_first) as customers,
        count(*) filter (is_first and is_known) as known_customers,
        sum(mrr) filter (is_first) as active_mrr,
        sum(realised_ltv) filter (is_first) as realised_ltv,
        [count(*) filter (is_at_risk and age >= 30), count(*) filter (is_at_risk and age >= 90), count(*) filter (is_at_risk and age >= 180), count(*) filter (is_at_risk and age >= 365)] as observed,
        [
            count(*) filter (is_at_risk and age >= 30 and days_to_churn <= 30), count(*) filter (is_at_risk and age >= 90 and days_to_churn <= 90),
            count(*) filter (is_at_risk and age >= 180 and days_to_churn <= 180), count(*) filter (is_at_risk and age >= 365 and days_to_churn <= 365)
        ] as churned,
        [
            count(*) filter (is_first and is_at_risk and age >= 30), count(*) filter (is_first and is_at_risk and age >= 90),
            count(*) filter (is_first and is_at_risk and age >= 180), count(*) filter (is_first and is_at_risk and age >= 365)
        ] as observed_customers,
        [
            count(*) filter (is_first and is_at_risk and age >= 30 and days_to_churn <= 30), count(*) filter (is_first and is_at_risk and age >= 90 and days_to_churn <= 90),
            count(*) filter (is_first and is_at_risk and age >= 180 and days_to_churn <= 180), count(*) filter (is_first and is_at_risk and age >= 365 and days_to_churn <= 365)
        ] as churned_customers
    from placed
    group by grouping sets ((survey_id, nps_class), (survey_id, nps_class, region), (survey_id, nps_class, plan))
),

rated as (
    select
        counted.* exclude (observed, churned, observed_customers, churned_customers),
        unnest([30, 90, 180, 365]) as window_days,
        unnest(observed) as observed,
        unnest(churned) as churned,
        unnest(observed_customers) as observed_customers,
        unnest(churned_customers) as churned_customers
    from counted
),

-- the longest window that is observed; a year is the longest there is
projected as (
    select
        *,
        max(window_days) filter (observed_customers >= 5) over cell as ltv_days,
        max(observed_customers) over cell as most_observed,
        arg_max(churned_customers, window_days) filter (observed_customers >= 5) over cell as ltv_k,
        arg_max(observed_customers, window_days) filter (observed_customers >= 5) over cell as ltv_n
    from rated
    window cell as (partition by survey_id, nps_class, dimension, segment)
),

based as (
    select
        projected.* exclude (observed, churned),
        bases.basis,
        case bases.basis when 'customers' then observed_customers else observed end as n,
        case bases.basis when 'customers' then churned_customers else churned end as k,
        n >= 5 as is_shown,
        k / nullif(n, 0) as rate,
        1.959963984540054 as z,
        case
            when bases.basis = 'responses' then 'counts_answers'
            when active_mrr is null then 'no_mrr'
            when known_customers = 0 then 'no_churn_information'
            when ltv_days is null and most_observed = 0 then 'no_window_is_over'
            when ltv_days is null then 'too_few'
            when ltv_k < 5 then 'too_few_churned'
        end as unknown_because,
        -- a year's margin, where a lifetime is known
        case when unknown_because is null then 0.8 * active_mrr * 12 end as margin,
        ln(1.1) as discount,
        365.0 / ltv_days as windows_a_year,
        [
            ltv_k / ltv_n,
            wilson(ltv_k, ltv_n, z),
            wilson(ltv_k, ltv_n, -z)
        ] as ltv_rates,
        list_transform(ltv_rates, lambda x: case when x >= 1 then 0 else
            (1 - exp(-50 * (discount - windows_a_year * ln(greatest(1 - x, 1e-300))))) / (discount - windows_a_year * ln(greatest(1 - x, 1e-300)))
        end) as lifetimes
    from projected
    cross join (values ('responses'), ('customers')) as bases (basis)
)

select
    based.basis,
    surveys.metric,
    surveys.survey_type,
    based.nps_class,
    based.window_days,
    based.dimension,
    based.segment,
    based.customers,
    n as observed,
    k as churned,
    case when is_shown then rate end as churn_rate,
    case
        when is_shown and (k = 0 or k = n) then sqrt((k + z * z / 2) / (n + z * z) * (1 - (k + z * z / 2) / (n + z * z)) / (n + z * z))
        when is_shown then sqrt(rate * (1 - rate) / n)
    end as standard_error,
    case when is_shown then wilson(k, n, -z) end as ci_low,
    case when is_shown then wilson(k, n, z) end as ci_high,
    round(active_mrr, 6) as active_mrr,
    round(realised_ltv, 6) as realised_ltv,
    case when unknown_because is null then cast(ltv_days as int) end as ltv_window_days,
    round(margin * lifetimes[1], 6) as projected_ltv,
    round(margin * lifetimes[2], 6) as projected_ltv_low,
    round(margin * lifetimes[3], 6) as projected_ltv_high,
    not is_shown as is_suppressed,
    unknown_because
from based
inner join published.dim_surveys as surveys using (survey_id);

-- --- features ----------------------------------------------------------------------------------

-- name: feature days
create temp table feature_days as
select
    as_of_on,
    cast(row_number() over (order by as_of_on) - 1 as int) as place
from (
    select cast(date_trunc('month', getvariable('as_of_on') + 1) as date) - 1 as as_of_on
    union
    select cast(date_trunc('month', getvariable('as_of_on') + 1) - to_months(cast(range as int)) as date) - 1 from range(12)
    union
    select getvariable('as_of_on')
);

-- From which feature day on an event of a day counts.
-- name: entrances
create temp table entrances as
select
    on_day,
    (select min(place) from feature_days where as_of_on >= on_day) as enters,
    (select min(place) from feature_days where as_of_on >= on_day + 90) as leaves_90d,
    (select min(place) from feature_days where as_of_on >= on_day + 365) as leaves_365d
from (select cast(unnest(range(date '2000-01-01', getvariable('as_of_on') + 1, interval 1 day)) as date) as on_day);

-- What changes on which day for whom: events enter and leave; running sums follow.
-- name: changes
create temp table changes as
with moves as (
    select
        turns.c,
        enters as place,
        1 as n,
        contribution as points,
        case when leaves_90d is distinct from enters then 1 else 0 end as n_90d,
        case when leaves_365d is distinct from enters then 1 else 0 end as n_365d,
        turn,
        cast(0 as double) as revenue,
        cast(0 as double) as revenue_365d
    from turns
    inner join entrances on turns.responded_on = entrances.on_day
    where is_headline
    union all
    select c, leaves_90d, 0, 0, -1, 0, 0, 0, 0
    from turns
    inner join entrances on turns.responded_on = entrances.on_day
    where is_headline and leaves_90d > enters
    union all
    select c, leaves_365d, 0, 0, 0, -1, 0, 0, 0
    from turns
    inner join entrances on turns.responded_on = entrances.on_day
    where is_headline and leaves_365d > enters
    union all
    select c, enters, 0, 0, 0, 0, 0, revenue, case when leaves_365d is distinct from enters then revenue else 0 end
    from money
    inner join entrances on business_day(money.moved_at) = entrances.on_day
    where revenue <> 0
    union all
    select c, leaves_365d, 0, 0, 0, 0, 0, 0, -revenue
    from money
    inner join entrances on business_day(money.moved_at) = entrances.on_day
    where revenue <> 0 and leaves_365d > enters
)

select
    c,
    place,
    cast(sum(n) as int) as n,
    cast(sum(points) as int) as points,
    cast(sum(n_90d) as int) as n_90d,
    cast(sum(n_365d) as int) as n_365d,
    max(turn) as turn,
    sum(revenue) as revenue,
    sum(revenue_365d) as revenue_365d
from moves
where place is not null
group by c, place;

-- name: customer_nps_features
create table published.customer_nps_features as
with first_answers as (
    select c, min(responded_on) as first_on from turns where c not in (select c from lives) group by c
),

present as (
    select
        everybody.c,
        everybody.customer_key,
        lives.c is not null as is_known,
        lives.churned_on,
        lives.signed_up_on,
        case when lives.c is null then first_answers.first_on else lives.signed_up_on end as since_on
    from everybody
    left join lives using (c)
    left join first_answers using (c)
),

-- numbers alone go through the sort
running as (
    select
        grid.c,
        grid.place,
        sum(changes.n) over so_far as n,
        sum(changes.points) over so_far as points,
        sum(changes.n_90d) over so_far as n_90d,
        sum(changes.n_365d) over so_far as n_365d,
        max(changes.turn) over so_far as turn,
        sum(changes.revenue) over so_far as revenue,
        sum(changes.revenue_365d) over so_far as revenue_365d
    from (select everybody.c, feature_days.place from everybody cross join feature_days) as grid
    left join changes using (c, place)
    window so_far as (partition by grid.c order by grid.place rows between unbounded preceding and current row)
)

select
    present.customer_key,
    feature_days.as_of_on,
    case when present.is_known then present.churned_on is null or present.churned_on > feature_days.as_of_on end as is_active,
    cast(feature_days.as_of_on - present.signed_up_on as int) as tenure_days,
    turns.score as last_score,
    case turns.contribution when 100 then 'promoter' when 0 then 'passive' when -100 then 'detractor' end as last_class,
    cast(feature_days.as_of_on - turns.responded_on as int) as days_since_last_response,
    cast(coalesce(running.n_90d, 0) as bigint) as responses_90d,
    cast(coalesce(running.n_365d, 0) as bigint) as responses_365d,
    running.points / nullif(running.n, 0) as mean_contribution,
    turns.score - turns.previous_score as score_trend,
    case when present.is_known then coalesce(round(running.revenue, 6), 0) end as realised_ltv,
    case when present.is_known then coalesce(round(running.revenue_365d, 6), 0) end as revenue_365d,
    cast(null as bigint) as tickets_90d,
    cast(null as bigint) as tickets_365d,
    cast(null as double) as usage_90d
from running
inner join feature_days using (place)
inner join present using (c)
left join turns on turns.is_headline and running.c = turns.c and running.turn = turns.turn
where coalesce(present.since_on, feature_days.as_of_on) <= feature_days.as_of_on;

-- --- what became of every row ------------------------------------------------------------------

-- name: ingest_reconciliation
create table published.ingest_reconciliation as
with judged as (
    select file_name, coalesce(statuses.status, 'accepted') as status, count(*) as n
    from delivered
    left join statuses on delivered.rowid = statuses.row_no
    group by all
    union all
    select file_name, status, count(*) from invitations group by all
    union all
    select file_name, case when is_rejected then 'quarantined' else 'accepted' end, count(*) from snapshots group by all
    union all
    select
        subscriptions.file_name,
        case
            when subscriptions.is_rejected then 'quarantined'
            when subscriptions.snapshot_at = subscriptions_now.snapshot_at then 'accepted'
            when subscriptions.content = subscriptions_now.now.content then 'duplicate'
            else 'superseded'
        end,
        count(*)
    from subscriptions
    left join subscriptions_now using (subscription)
    group by all
    union all
    select file_name, status, count(*) from invoices group by all
    union all
    select file_of(filename), 'accepted', count(*)
    from read_csv('landing/pulse/surveys_*.csv', all_varchar = true, header = true, delim = ',', filename = true)
    group by all
)

select
    files.source,
    files.entity,
    files.file_sha256,
    files.file_name,
    'loaded' as file_status,
    cast(null as varchar) as file_reason,
    cast(null as varchar) as assumed_timezone,
    cast(sum(judged.n) as bigint) as rows_delivered,
    cast(coalesce(sum(judged.n) filter (judged.status = 'accepted'), 0) as bigint) as rows_accepted,
    cast(coalesce(sum(judged.n) filter (judged.status = 'quarantined'), 0) as bigint) as rows_quarantined,
    cast(coalesce(sum(judged.n) filter (judged.status = 'duplicate'), 0) as bigint) as rows_duplicate,
    cast(coalesce(sum(judged.n) filter (judged.status = 'superseded'), 0) as bigint) as rows_superseded,
    cast(coalesce(sum(judged.n) filter (judged.status = 'deleted'), 0) as bigint) as rows_deleted,
    cast(0 as bigint) as rows_excluded
from files
inner join judged using (file_name)
group by all;
