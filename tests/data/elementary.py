"""Writes reference values of src/num/elementary to standard output (mpmath, 60 digits and more).

A line is a function, the bits of its arguments and of its value rounded to f64, and what rounding left over in
hundredths of the value's unit in the last place.
"""

import math
import random
import struct

import mpmath as mm
from mpmath import mp, mpf

INF, NAN = math.inf, math.nan
TINY, MIN, MAX = 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308
COUNT = 260


def bits(x):
    return "%016x" % struct.unpack("<Q", struct.pack("<d", x))[0]


def rounded(v):
    """Nearest f64 of an mpf, and the rest in its units in the last place."""
    if mm.isnan(v) or mm.isinf(v) or v == 0:
        return float(v), 0.0
    if abs(v) < mpf(2) ** -1022:
        n = int(mm.nint(v * mpf(2) ** 1074))
        return math.ldexp(n, -1074), float(v * mpf(2) ** 1074 - n)
    hi = float(v)
    if math.isinf(hi):
        return hi, 0.0
    return hi, float((v - mpf(hi)) / mpf(math.ulp(hi)))


def log_cdf(x):
    if x > 0:
        return mm.log1p(-mm.erfc(x / mm.sqrt(2)) / 2)
    if x > -1000:
        return mm.log(mm.erfc(-x / mm.sqrt(2)) / 2)
    series = mm.fsum((-1) ** k * mm.fac2(2 * k - 1) / x ** (2 * k) for k in range(16))
    return -x * x / 2 - mm.log(-x * mm.sqrt(2 * mm.pi)) + mm.log(series)


def lgamma(x):
    if x > 1e5:
        terms = [mm.bernoulli(2 * k) / (2 * k * (2 * k - 1)) / x ** (2 * k - 1) for k in range(1, 8)]
        return (x - mpf(1) / 2) * mm.log(x) - x + mm.log(2 * mm.pi) / 2 + mm.fsum(terms)
    if x < 0:
        return mm.log(mm.pi / abs(x * mm.sinpi(x))) - lgamma(-x)
    return mm.loggamma(x)


def digamma(x):
    return digamma(1 - x) - mm.pi * mm.cospi(x) / mm.sinpi(x) if x < 0 else mm.psi(0, x)


def trigamma(x):
    return (mm.pi / mm.sinpi(x)) ** 2 - trigamma(1 - x) if x < 0 else mm.psi(1, x)


def uniform(a, b):
    return lambda: random.uniform(a, b)


def power(a, b):
    return lambda: 10 ** random.uniform(a, b)


def near(x, a, b):
    return lambda: x + random.choice((1, -1)) * 10 ** random.uniform(a, b)


def below(f):
    return lambda: -f()


def both(f):
    return lambda: random.choice((1, -1)) * f()


everywhere = both(power(-323, 308))

# Function, samplers, and edges with their values where mpmath has none.
TABLE = {
    "exp": (mm.exp, [uniform(-745, 709), uniform(-2, 2), both(power(-300, 0)), uniform(-746, -700)],
            [(INF, INF), (-INF, 0.0), (709.782712893384, None), (709.7827128933841, INF), (-745.1332191019411, None), (-745.1332191019412, 0.0), (0.0, 1.0), (MAX, INF), (-MAX, 0.0)]),
    "expm1": (mm.expm1, [uniform(-45, 709), uniform(-2, 2), both(power(-323, 0))],
              [(INF, INF), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (-TINY, -TINY), (MAX, INF), (-MAX, -1.0)]),
    "log": (mm.log, [power(-323, 308), uniform(0.4, 2.5), near(1, -16, -1), power(-323, -308)],
            [(INF, INF), (0.0, -INF), (-0.0, -INF), (-1.0, NAN), (-INF, NAN), (-TINY, NAN), (1.0, 0.0), (TINY, None), (MIN, None), (MAX, None)]),
    "log1p": (mm.log1p, [power(-323, 308), uniform(-1, 2), both(power(-18, -0.01))],
              [(INF, INF), (-1.0, -INF), (-1.5, NAN), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (-TINY, -TINY), (MAX, None)]),
    "tanh": (mm.tanh, [uniform(-20, 20), uniform(-1.2, 1.2), both(power(-323, 1))],
             [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (MAX, 1.0)]),
    "sigmoid": (lambda x: 1 / (1 + mm.exp(-x)), [uniform(-745, 40), uniform(-5, 5), uniform(-1, 1)],
                [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (MAX, 1.0), (-MAX, 0.0)]),
    "softplus": (lambda x: mm.log1p(mm.exp(x)) if x < 300 else x + mm.exp(-x), [uniform(-745, 40), uniform(-5, 5), uniform(0, 800)],
                 [(INF, INF), (-INF, 0.0), (0.0, None), (MAX, MAX), (-MAX, 0.0)]),
    "log1m_exp": (lambda x: mm.log(-mm.expm1(x)) if x > -1 else mm.log1p(-mm.exp(x)), [below(power(-323, 2.8)), uniform(-3, 0), uniform(-1, -0.4)],
                  [(-INF, 0.0), (0.0, -INF), (1.0, NAN), (-MAX, 0.0)]),
    "sin": (mm.sin, [uniform(-1000, 1000), uniform(-4, 4), everywhere, both(power(0, 12)), lambda: random.randint(1, 10**6) * math.pi / 2],
            [(INF, NAN), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (MAX, None), (6381956970095103.0 * 2.0**797, None), (1e22, None)]),
    "cos": (mm.cos, [uniform(-1000, 1000), uniform(-4, 4), everywhere, both(power(0, 12)), lambda: random.randint(1, 10**6) * math.pi / 2],
            [(INF, NAN), (-INF, NAN), (0.0, 1.0), (TINY, 1.0), (MAX, None), (6381956970095103.0 * 2.0**797, None), (1e22, None)]),
    "erf": (mm.erf, [uniform(-6, 6), uniform(-1, 1), both(power(-323, 0.8))],
            [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (MAX, 1.0), (-MAX, -1.0)]),
    "normal_cdf": (lambda x: mm.erfc(-x / mm.sqrt(2)) / 2, [uniform(-38.5, 9), uniform(-3, 3), uniform(-1, 1)],
                   [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-TINY, 0.5), (MAX, 1.0), (-MAX, 0.0)]),
    "log_normal_cdf": (log_cdf, [uniform(-40, 38), uniform(-3, 3), below(power(-3, 150)), uniform(-1, 1)],
                       [(INF, 0.0), (-INF, -INF), (0.0, None), (MAX, 0.0), (-MAX, -INF)]),
    "lgamma": (lgamma, [uniform(0, 12), power(-323, 305), uniform(0.4, 3.5), near(1, -15, -1), near(2, -15, -1), below(uniform(0, 30)), below(power(-300, 15))],
               [(INF, INF), (-INF, INF), (0.0, INF), (-0.0, INF), (-1.0, INF), (-7.0, INF), (-MAX, INF), (1.0, 0.0), (2.0, 0.0), (TINY, None), (-TINY, None), (2.5e305, None), (MAX, INF)]),
    "digamma": (digamma, [uniform(0, 12), power(-307, 307), uniform(0.4, 3.5), near(1.4616321449683622, -15, -2), below(uniform(0, 30)), below(power(-300, 15))],
                [(INF, INF), (-INF, NAN), (0.0, NAN), (-0.0, NAN), (-1.0, NAN), (-7.0, NAN), (-MAX, NAN), (MAX, None), (MIN, None)]),
    "trigamma": (trigamma, [uniform(0, 12), power(-153, 307), uniform(0.4, 3.5), below(uniform(0, 30)), below(power(-153, 15))],
                 [(INF, 0.0), (-INF, NAN), (0.0, INF), (-0.0, INF), (-1.0, INF), (-7.0, INF), (-MAX, INF), (MAX, None), (1e-200, INF)]),
}

POW_EDGES = [
    (NAN, 0.0, 1.0), (1.0, NAN, 1.0), (NAN, 1.0, NAN), (2.0, NAN, NAN), (INF, 0.0, 1.0), (0.0, 0.0, 1.0),
    (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (0.0, -3.0, INF), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (0.0, 0.5, 0.0),
    (INF, 2.0, INF), (INF, -2.0, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0), (-INF, -2.0, 0.0), (-INF, 0.5, INF),
    (2.0, INF, INF), (2.0, -INF, 0.0), (0.5, INF, 0.0), (0.5, -INF, INF), (-1.0, INF, 1.0), (-1.0, -INF, 1.0), (1.0, INF, 1.0),
    (-8.0, 1.0 / 3.0, NAN), (-2.0, 0.5, NAN), (-2.0, 3.0, -8.0), (-2.0, 9007199254740993.0, INF), (-1.0, 4503599627370497.0, -1.0),
    (-1.0, 9007199254740991.0, -1.0), (-1.0, 9007199254740992.0, 1.0), (1.0000000000000002, MAX, INF), (0.9999999999999999, MAX, 0.0), (10.0, 308.0, None),
    (10.0, -323.0, None), (10.0, 309.0, INF), (TINY, 0.5, None), (TINY, -0.5, None), (MAX, 0.5, None), (2.0, -1074.0, TINY), (2.0, -1075.5, 0.0),
]


def points(name):
    f, samplers, edges = TABLE[name]
    for x, value in [(NAN, NAN)] + edges:
        yield (x,), f(mpf(x)) if value is None else value
    for k in range(COUNT):
        x = float(samplers[k % len(samplers)]())
        if not math.isfinite(x) or (name.endswith("gamma") and x <= 0 and x == int(x)) or (name == "log" and x <= 0):
            continue
        yield (x,), f(mpf(x))


def pow_points():
    for x, y, value in POW_EDGES:
        yield (x, y), mm.power(mpf(x), mpf(y)) if value is None else value
    for k in range(COUNT):
        if k % 4 == 0:
            x = 10 ** random.uniform(-300, 300)
            y = random.uniform(-700, 700) / max(abs(math.log(x)), 1e-3)
        elif k % 4 == 1:
            x, y = random.uniform(0.5, 2), both(power(-2, 3))()
        elif k % 4 == 2:
            x, y = -(10 ** random.uniform(-3, 3)), float(random.randint(-60, 60))
        else:
            x, y = 10 ** random.uniform(-5, 5), random.uniform(-20, 20)
        yield (x, y), mm.power(mpf(x), mpf(y))


for name in list(TABLE) + ["pow"]:
    random.seed(name)
    # Arguments up to 2^1024 and results near multiples of π/2 take that many bits.
    mp.prec = 1400 if name in ("sin", "cos") else 500 if name.endswith("gamma") else 300
    for args, value in pow_points() if name == "pow" else points(name):
        if isinstance(value, mm.mpc):
            value = value.real
        if isinstance(value, float):
            hi, rest = value, 0.0
        else:
            hi, rest = rounded(value)
        print(name, *(bits(a) for a in args), bits(hi), round(100 * rest))
