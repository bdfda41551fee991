with levels as (
    select
        {{ assumption('confidence_z') }} as confidence_z,
        {{ assumption('significance_level') }} as significance_level,
        {{ assumption('power') }} as power
)

select
    confidence_z,
    significance_level,
    power,
    {{ normal_quantile('1 - significance_level / 2') }} + {{ normal_quantile('power') }} as detectable_errors
from levels
