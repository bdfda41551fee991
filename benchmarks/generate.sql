-- What each row of the generated deliveries holds: a function of its number alone, so that any file,
-- of any size, is written in one streaming pass and always the same.
-- Variables: answers (N), customers, per_quarter, silent_per_quarter, day (of the increments, from 1),
-- per_day, seed, prose.

create or replace macro pick(number, what, sides) as cast(hash(cast(number as bigint), what, getvariable('seed')) % sides as bigint);
create or replace macro quarter_start(quarter) as cast(date '2024-01-01' + to_months(cast(3 * quarter as int)) as date);
create or replace macro iso(instant) as strftime(instant, '%Y-%m-%dT%H:%M:%SZ');

-- --- customers ---------------------------------------------------------------------------------
create or replace macro customer_no(c) as 'C' || lpad(cast(c as varchar), 8, '0');
-- one in ten signs up within the two years; the last of them half a year before the end
create or replace macro signed_up_on(c) as
    case
        when c % 10 = 9 then date '2024-01-01' + cast(pick(c, 'sign-up', 540) as int)
        else date '2020-01-01' + cast(pick(c, 'sign-up', 1400) as int)
    end;
create or replace macro left_on(c) as
    case
        when pick(c, 'leaves', 100) < 22
            then greatest(signed_up_on(c) + 30, date '2024-01-15') + cast(pick(c, 'leaving', 700) as int)
    end;
-- two customers in a hundred share an address, some write theirs in capitals
create or replace macro email_of(c) as
    case when pick(c, 'capitals', 20) = 0 then 'C' else 'c' end
    || cast(case when pick(c // 2, 'shares', 100) < 2 then c - c % 2 else c end as varchar)
    || '@mail.example';
-- attributes as of an export: few change, and then once
create or replace macro changed(c, what, percent, export) as
    case when pick(c, what, 100) < percent and export >= 1 + pick(c, what || ' when', 3) then 1 else 0 end;
create or replace macro region_of(c, export) as
    case
        when pick(c, 'no region', 100) = 0 then null
        else ['north', 'south', 'east', 'west', 'centre', 'coast', 'hills', 'abroad'][
            1 + (pick(c, 'region', 8) + changed(c, 'moves', 4, export)) % 8
        ]
    end;
create or replace macro plan_of(c, export) as
    ['free', 'basic', 'plus', 'enterprise'][1 + (pick(c, 'plan', 4) + changed(c, 'upgrades', 8, export)) % 4];
-- who had not signed up yet answers not: an older customer does
create or replace macro asked_customer(c, moment) as case when signed_up_on(c) < cast(moment as date) then c else c - c % 10 end;
create or replace macro mrr_of(c) as (20 + pick(c, 'mrr', 48000) / 100.0)::decimal(12, 2);

create or replace macro customer_rows(export, exported_on, only_changed) as table
    select
        customer_no(c) as customer_no,
        email_of(c) as email,
        case when pick(c, 'account', 2) = 0 then 'A' || lpad(cast(c // 10 as varchar), 7, '0') end as account_no,
        'Person ' || c as full_name,
        cast(signed_up_on(c) as varchar) as customer_since,
        -- of some the CRM never hears that they left: their subscription ends
        cast(case when left_on(c) <= exported_on and pick(c, 'unheard', 20) > 0 then left_on(c) end as varchar) as left_on,
        region_of(c, export) as region,
        plan_of(c, export) as plan
    from (select range as c from range(getvariable('customers')))
    where signed_up_on(c) <= exported_on and (not only_changed or pick(c * 1000 + export, 'in delta', 200) = 0);

create or replace macro subscription_rows(exported_on) as table
    select
        'S' || lpad(cast(c as varchar), 8, '0') || '-' || line as subscription,
        customer_no(c) as customer_no,
        cast(signed_up_on(c) + 200 * (line - 1) as varchar) as started,
        cast(case when left_on(c) <= exported_on then left_on(c) end as varchar) as ended,
        plan_of(c, 3) as plan,
        cast(mrr_of(c) + 10 * changed(c, 'pays more', 10, case when exported_on >= date '2025-01-01' then 9 else 0 end) as varchar) as fee,
        'EUR' as currency
    from (select range as c from range(getvariable('customers')))
    cross join (values (1), (2)) as lines (line)
    where (line = 1 or pick(c, 'second line', 10) = 0) and signed_up_on(c) + 200 * (line - 1) <= exported_on;

create or replace macro invoice_rows(quarter) as table
    select
        'V' || lpad(cast(c as varchar), 8, '0') || '-' || quarter as invoice_no,
        customer_no(c) as customer_no,
        cast(quarter_start(quarter) + cast(pick(c * 64 + quarter, 'invoice day', 85) as int) as varchar) as day,
        cast(3 * mrr_of(c) as varchar) as amount,
        case when pick(c * 64 + quarter, 'refund', 50) = 0 then 'refund' else 'recurring' end as kind,
        'EUR' as currency,
        c
    from (select range as c from range(getvariable('customers')))
    where
        pick(c, 'pays by quarter', 100) < 75
        and signed_up_on(c) < quarter_start(quarter)
        and (left_on(c) is null or left_on(c) > quarter_start(quarter));

-- --- answers -----------------------------------------------------------------------------------
-- answer i of the two years belongs to quarter i // per_quarter; those after them to their day
create or replace macro quarter_of(i) as least(i // getvariable('per_quarter'), 7);
create or replace macro day_of(i) as
    date '2025-12-31' + cast(1 + (i - getvariable('answers')) // getvariable('per_day') as int);
create or replace macro is_late(i) as pick(i, 'late', 100) = 0;
-- of the last day, everything is over before it ends in the business zone
create or replace macro submitted_on(i) as
    case
        when i < getvariable('answers') then quarter_start(quarter_of(i))
        -- a late answer of a day's delivery belongs to a period long closed
        else day_of(i) - case when is_late(i * 5) then cast(30 + pick(i, 'how late', 300) as int) else 0 end
    end;
-- seconds from there; the last of them are over before the day ends in the business zone
create or replace macro seconds_of(i) as
    case
        when i < getvariable('answers')
            then pick(i, 'time', 86400 * datediff('day', quarter_start(quarter_of(i)), quarter_start(quarter_of(i) + 1)) - 10800)
        else pick(i, 'time', 75600)
    end;
-- a table's numbers with the moments of their answers and askings, and the customer
create or replace macro numbered(numbers) as table
    select
        *,
        asked_customer(pick(i, 'customer', getvariable('customers')), sent_at - interval 1 day) as c
    from (
        select
            *,
            submitted_at - to_seconds(3600 + pick(i, 'thinking', 1300000)) as sent_at
        from (
            select
                i,
                cast(submitted_on(i) as timestamp) + to_seconds(seconds_of(i)) as submitted_at
            from query_table(numbers)
        )
    );
create or replace macro survey_of(i) as case when pick(i, 'survey', 5) = 0 then 'after_support' else 'relational' end;
create or replace macro channel_of(i) as ['email', 'email', 'web', 'app'][1 + pick(i, 'channel', 4)];
create or replace macro response_id(i) as 'R_' || lpad(cast(i as varchar), 13, '0');
create or replace macro invitation_id(i) as 'I_' || lpad(cast(i as varchar), 13, '0');
create or replace macro silent_invitation_id(u) as 'I_s' || lpad(cast(u as varchar), 12, '0');
create or replace macro score_of(i, c, version) as
    [0, 2, 3, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 10][
        1 + (pick(c, 'mood', 12) + pick(i, 'score', 9) + 7 * version) % 20
    ];
create or replace macro comment_of(i) as
    case
        when pick(i, 'comments', 5) < 2
            then trim(substr(getvariable('prose'), 1 + pick(i, 'from', length(getvariable('prose')) - 210), 20 + pick(i, 'length', 181)))
                || case when pick(i, 'two lines', 100) = 0 then chr(10) || 'That is "all".' else '' end
    end;

-- of a customer known by id, by address alone, by neither; or of somebody unknown to the CRM
create or replace macro answer_rows(numbers) as table
    select
        response_id(i) as id,
        survey_of(i) as survey,
        invitation_id(i) as invitation,
        case
            when pick(i, 'known by', 100) < 3 then null
            when pick(i, 'known by', 100) < 4 then 'X' || lpad(cast(c // 3 as varchar), 8, '0')
            else customer_no(c)
        end as customer,
        case when pick(i, 'known by', 100) <> 0 then case when pick(i, 'known by', 100) = 3 then 'x' else '' end || email_of(c) end as email,
        cast(score_of(i, c, 0) as varchar) as score,
        iso(submitted_at) as submitted,
        iso(submitted_at) as updated,
        comment_of(i) as comment,
        channel_of(i) as channel,
        ['en', 'en', 'fr', 'nl'][1 + pick(i, 'language', 4)] as language,
        cast(null as varchar) as deleted,
        i,
        c,
        submitted_at,
        sent_at
    from numbered(numbers);

create or replace macro invitation_rows(numbers) as table
    select
        invitation_id(i) as invitation,
        survey_of(i) as survey,
        customer_no(c) as customer,
        channel_of(i) as channel,
        iso(sent_at) as sent,
        iso(sent_at + interval 5 second) as delivered,
        iso(sent_at + interval 20 minute) as opened,
        cast(null as varchar) as bounced
    from numbered(numbers);

-- the silent ones; begins and seconds say when they were asked
create or replace macro silent_rows(first, last, begins, seconds) as table
    select
        silent_invitation_id(u) as invitation,
        survey_of(-u) as survey,
        customer_no(asked_customer(pick(-u, 'customer', getvariable('customers')), asked_at - interval 1 day)) as customer,
        channel_of(-u) as channel,
        iso(asked_at) as sent,
        case when pick(u, 'bounces', 20) > 0 then iso(asked_at + interval 5 second) end as delivered,
        case when pick(u, 'bounces', 20) > 9 then iso(asked_at + interval 3 hour) end as opened,
        case when pick(u, 'bounces', 20) = 0 then iso(asked_at + interval 9 second) end as bounced
    from (
        select
            range as u,
            cast(begins as timestamp) + to_seconds(pick(range, 'asked', seconds)) as asked_at
        from range(cast(first as bigint), cast(last as bigint))
    );
