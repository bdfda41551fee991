{#- The formulas of comparisons: how sure a difference of two scores is, and how many answers it takes.
    Counts are top (contribution +100), middle (0) and bottom (-100) answers, as in statistics.sql. -#}

{#- Variance of a score on the -1..1 scale where a voice may have answered more than once: of the sums
    of (c - mean) by voice the squares, added up, over n^2 (Liang and Zeger 1986, clusters being voices;
    times G / (G - 1) with G voices it is the usual cluster-robust variance). Of each voice with m answers
    that add up to t: weights is sum(m^2 - m), products sum(m t - t), squares sum(t^2 - its answers that
    are not 0). All are 0 where nobody answers twice: what is left is v / n (Rocks 2016). -#}
{% macro variance_of_mean(top, middle, bottom, weights, products, squares) -%}
    {%- set n = '(' ~ top ~ ' + ' ~ middle ~ ' + ' ~ bottom ~ ')' -%}
    {%- set net = '(' ~ top ~ ' - ' ~ bottom ~ ')' -%}
    {%- set mean = '(1e0 * ' ~ net ~ ' / nullif(' ~ n ~ ', 0))' -%}
    (
        {{ top }} + {{ bottom }} + {{ squares }}
        - 2e0 * {{ mean }} * ({{ net }} + {{ products }})
        + {{ mean }} * {{ mean }} * ({{ n }} + {{ weights }})
    ) / power(1e0 * nullif({{ n }}, 0), 2)
{%- endmacro %}

{#- Covariance of what m voices said at two times, with divisor m; both sums over the voices, and the sum
    of the products. Of one of them with itself it is the variance. NULL where m is, or 0. -#}
{% macro covariance(m, total, compared_total, products) -%}
    (1e0 * {{ products }} / nullif({{ m }}, 0) - (1e0 * {{ total }} / nullif({{ m }}, 0)) * (1e0 * {{ compared_total }} / nullif({{ m }}, 0)))
{%- endmacro %}

{#- The value that a standard normal variable exceeds with probability 1 - p. Source: Wichura 1988,
    algorithm AS 241 (PPND16): three ratios of polynomials, the relative error is about 1e-16. NULL where p
    is not between 0 and 1. DuckDB has no such function. -#}
{% macro normal_quantile(p) -%}
    {%- set p = '(' ~ p ~ ')' -%}
    {%- set near = '(0.180625e0 - power(' ~ p ~ ' - 0.5e0, 2))' -%}
    {%- set tail = 'sqrt(-ln(least(' ~ p ~ ', 1 - ' ~ p ~ ')))' -%}
    {#- the highest power first -#}
    {%- set ratios = [
        (near, [2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080],
         [5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867, 5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1]),
        ('(' ~ tail ~ ' - 1.6e0)', [7.74545014278341407640e-4, 2.27238449892691845833e-2, 0.241780725177450611770, 1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734],
         [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 0.148103976427480074590, 0.689767334985100004550, 1.67638483018380384940, 2.05319162663775882187, 1]),
        ('(' ~ tail ~ ' - 5e0)', [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2, 0.296560571828504891230, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720],
         [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4, 1.48753612908506148525e-2, 0.136929880922735805310, 0.599832206555887937690, 1])
    ] -%}
    {%- set sql = [] -%}
    {%- for r, numerator, denominator in ratios -%}
        {%- set polynomials = [] -%}
        {%- for coefficients in [numerator, denominator] -%}
            {%- set polynomial = namespace(sql="cast('" ~ coefficients[0] ~ "' as double)") -%}
            {%- for coefficient in coefficients[1:] -%}
                {%- set polynomial.sql = '(' ~ polynomial.sql ~ ' * ' ~ r ~ " + cast('" ~ coefficient ~ "' as double))" -%}
            {%- endfor -%}
            {%- do polynomials.append(polynomial.sql) -%}
        {%- endfor -%}
        {%- do sql.append(polynomials[0] ~ ' / ' ~ polynomials[1]) -%}
    {%- endfor -%}
    case
        when not ({{ p }} > 0 and {{ p }} < 1) then null
        when abs({{ p }} - 0.5e0) <= 0.425e0 then ({{ p }} - 0.5e0) * {{ sql[0] }}
        when {{ tail }} <= 5e0 then case when {{ p }} < 0.5e0 then -1 else 1 end * {{ sql[1] }}
        else case when {{ p }} < 0.5e0 then -1 else 1 end * {{ sql[2] }}
    end
{%- endmacro %}

{#- Answers needed, as a number that is not rounded yet: z^2 v / d^2, with the variance v on the -1..1
    scale and d in points; z and v are those of what is asked. For a margin of d about one score z is the
    interval's and v one answer's variance. For a difference of d between two groups, found with some
    power at some level, z is the sum of both quantiles and v the sum of both variances; the result is per
    group. Source: any textbook; MeasuringU takes off what the adjusted-Wald method adds to each group. -#}
{% macro answers_needed(z, variance, points) -%}
    power({{ z }}, 2) * ({{ variance }}) / power({{ points }} / 100e0, 2)
{%- endmacro %}
