{#- Quantiles that no engine has a function for. -#}

{#- The standard normal deviate with the same tail as Student's t, for two_sided_p. Source: Hill 1970,
    algorithm 395 (CACM 13:617). From 6 degrees of freedom on its p has a relative error below 4e-5 down
    to p = 0.001. NULL where t is. -#}
{% macro t_as_normal(t, degrees) -%}
    {%- set a = '(' ~ degrees ~ ' - 0.5e0)' -%}
    {%- set b = '(48e0 * ' ~ a ~ ' * ' ~ a ~ ')' -%}
    {%- set y = '(' ~ a ~ ' * ln(1 + power(' ~ t ~ ', 2) / ' ~ degrees ~ '))' -%}
    (sqrt({{ y }}) * (
        (((-0.4e0 * {{ y }} - 3.3e0) * {{ y }} - 24e0) * {{ y }} - 85.5e0)
        / (0.8e0 * {{ y }} * {{ y }} + 100e0 + {{ b }})
        + {{ y }} + 3e0
    ) / {{ b }} + sqrt({{ y }}))
{%- endmacro %}

{#- The quantile of Student's t at the tail where the normal distribution's is z. Source: Abramowitz and
    Stegun 1964, 26.7.5. From 6 degrees of freedom on the 95 % quantile's error is below 1.1e-4. -#}
{% macro t_quantile(z, degrees) -%}
    {%- set v = '(1e0 * ' ~ degrees ~ ')' -%}
    ({{ z }}
    + (power({{ z }}, 3) + {{ z }}) / (4e0 * {{ v }})
    + (5e0 * power({{ z }}, 5) + 16e0 * power({{ z }}, 3) + 3e0 * {{ z }}) / (96e0 * power({{ v }}, 2))
    + (3e0 * power({{ z }}, 7) + 19e0 * power({{ z }}, 5) + 17e0 * power({{ z }}, 3) - 15e0 * {{ z }})
    / (384e0 * power({{ v }}, 3))
    + (
        79e0 * power({{ z }}, 9) + 776e0 * power({{ z }}, 7) + 1482e0 * power({{ z }}, 5)
        - 1920e0 * power({{ z }}, 3) - 945e0 * {{ z }}
    ) / (92160e0 * power({{ v }}, 4)))
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
