"""Writes the coefficients of src/num/elementary to standard output (mpmath, 60 digits).

Polynomials are truncated Chebyshev interpolants, within a factor of about 2 of the minimax error, written in powers of
their variable and rounded to f64. `*_LO` is what rounding the constant term left over.
"""

import mpmath as mm
from mpmath import mp, mpf

mp.dps = 70


def powers(f, a, b, degree):
    """Coefficients by power of the interpolant of f at the Chebyshev points of [a, b]."""
    a, b = mpf(a), mpf(b)
    n = degree + 1
    angles = [mm.pi * (k + mpf(1) / 2) / n for k in range(n)]
    values = [f((a + b) / 2 + (b - a) / 2 * mm.cos(t)) for t in angles]
    cheb = [(2 if j else 1) * mm.fsum(values[k] * mm.cos(j * angles[k]) for k in range(n)) / n for j in range(n)]
    # t = p x + q; Clenshaw on polynomials in x.
    p, q = 2 / (b - a), -(a + b) / (b - a)

    def times_t(c):
        out = [mpf(0)] * (len(c) + 1)
        for i, v in enumerate(c):
            out[i] += q * v
            out[i + 1] += p * v
        return out

    def add(c, d, s):
        m = max(len(c), len(d))
        c, d = c + [mpf(0)] * (m - len(c)), d + [mpf(0)] * (m - len(d))
        return [x + s * y for x, y in zip(c, d)]

    now, last = [mpf(1)], None
    total = [cheb[0]]
    for j in range(1, n):
        following = times_t(now) if last is None else add([2 * v for v in times_t(now)], last, -1)
        now, last = following, now
        total = add(total, [cheb[j] * v for v in now], 1)
    return total[:n]


def number(x):
    x = float(x)
    return repr(x)


def constant(name, doc, x):
    print(f"/// {doc}\npub const {name}: f64 = {number(x)};")


def array(name, doc, values):
    print(f"/// {doc}\npub const {name}: [f64; {len(values)}] = [")
    for v in values:
        print(f"    {number(v)},")
    print("];")


def parts(name, doc, c):
    """Constant term in two numbers, the other terms as an array."""
    constant(f"{name}_HI", f"Constant term of `{name}`.", c[0])
    constant(f"{name}_LO", f"What rounding `{name}_HI` left over.", c[0] - mpf(float(c[0])))
    array(name, doc, c[1:])


def even(series, z, terms=60):
    return mm.fsum(series(k) * z**k for k in range(terms))


print("//! Coefficients of the elementary functions, written by `tests/data/minimax.py`; not to be edited by hand.")
print("#![expect(clippy::approx_constant, reason = \"numbers as the generator prints them\")]")
print()

ln2 = mm.log(2)
ln2_hi = mm.floor(ln2 * 2**42) / mpf(2) ** 42
constant("LN2_HI", "ln 2 in 42 bits, so that its products with exponents are exact.", ln2_hi)
constant("LN2_LO", "ln 2 − `LN2_HI`.", ln2 - ln2_hi)

array("EXP", "(eʳ − 1 − r) / r² by powers of r, |r| ≤ ½ ln 2.",
      [mpf(1) / 2] + powers(lambda r: mm.fsum(r**k / mm.factorial(k + 3) for k in range(40)), -0.3470, 0.3470, 9))
array("TANH", "(tanh(x) / x − 1) / x² by powers of x², |x| ≤ 0.55.",
      powers(lambda z: (mm.tanh(mm.sqrt(z)) / mm.sqrt(z) - 1) / z, mpf(10) ** -15, 0.303, 10))

array("LOG", "(2 artanh(s) / s − 2) / s² by powers of s², |s| ≤ 0.1716.",
      powers(lambda z: mm.fsum(2 * z**k / (2 * k + 3) for k in range(60)), 0, 0.02945, 7))
constant("TWO_THIRDS_LO", "2/3 less its rounding.", mpf(2) / 3 - mpf(float(mpf(2) / 3)))
array("LOG_TAIL", "((2 artanh(s) / s − 2) / s² − 2/3) / s² by powers of s², |s| ≤ 0.1716.",
      powers(lambda z: mm.fsum(2 * z**k / (2 * k + 5) for k in range(60)), 0, 0.02945, 8))

array("SIN", "(sin(x) / x − 1) / x² by powers of x², |x| ≤ π/4.",
      powers(lambda z: even(lambda k: (-1) ** (k + 1) / mm.factorial(2 * k + 3), z), 0, 0.617, 6))
array("COS", "(cos(x) − 1 + x²/2) / x⁴ by powers of x², |x| ≤ π/4.",
      powers(lambda z: even(lambda k: (-1) ** k / mm.factorial(2 * k + 4), z), 0, 0.617, 6))

parts("ERF", "erf(x) / x by powers of x² from the first on, |x| ≤ 0.65.",
      powers(lambda z: 2 / mm.sqrt(mm.pi) * even(lambda k: (-1) ** k / (mm.factorial(k) * (2 * k + 1)), z), 0, 0.4226, 11))


def mills(t):
    x = 5 * (1 + t) / (1 - t)
    if x > 200:
        scaled = mm.fsum((-1) ** k * mm.fac2(2 * k - 1) / x ** (2 * k) for k in range(24)) / (x * mm.sqrt(2 * mm.pi))
    else:
        scaled = mm.exp(x * x / 2) * mm.erfc(x / mm.sqrt(2)) / 2
    return (1 + x) * scaled


parts("MILLS", "(1 + x) e^(x²/2) Φ(−x) by powers of t = (x − 5) / (x + 5) from the first on, x ≥ 0.",
      powers(mills, -1, 1, 26))

parts("LGAMMA_NEAR_2", "log Γ(2 + d) / d by powers of d from the first on, |d| ≤ ½.",
      powers(lambda d: mm.loggamma(2 + d) / d, -0.5, 0.5, 21))


def binet(w):
    z = 1 / mm.sqrt(w)
    return (mm.loggamma(z) - ((z - mpf(1) / 2) * mm.log(z) - z + mm.log(2 * mm.pi) / 2)) * z


array("STIRLING", "z (log Γ(z) − (z − ½) log z + z − ½ log 2π) by powers of 1/z², z ≥ 2.5.",
      powers(binet, 0, mpf(1) / mpf("2.5") ** 2, 13))
c = mm.log(2 * mm.pi) / 2 - mpf(1) / 2
constant("STIRLING_HI", "½ log 2π − ½.", c)
constant("STIRLING_LO", "What rounding `STIRLING_HI` left over.", c - mpf(float(c)))

x0 = mm.findroot(lambda x: mm.psi(0, x), mpf("1.4616321449683623413"))
constant("DIGAMMA_ZERO_HI", "The positive zero of ψ.", x0)
constant("DIGAMMA_ZERO_LO", "What rounding `DIGAMMA_ZERO_HI` left over.", x0 - mpf(float(x0)))
parts("DIGAMMA", "ψ(y) / (y − zero) by powers of y − 3/2 from the first on, 1 ≤ y ≤ 2.14.",
      powers(lambda d: mm.psi(0, d + mpf(3) / 2) / (d + mpf(3) / 2 - x0), -0.5, 0.64, 25))


def after_log(w):
    z = 1 / mm.sqrt(w)
    return (mm.log(z) - 1 / (2 * z) - mm.psi(0, z)) * z * z


array("DIGAMMA_SERIES", "z² (log z − 1/(2z) − ψ(z)) by powers of 1/z², z ≥ 3.", powers(after_log, 0, mpf(1) / 9, 12))


def after_inverse(w):
    z = 1 / mm.sqrt(w)
    return (mm.psi(1, z) - 1 / z - 1 / (2 * z * z)) * z**3


array("TRIGAMMA_SERIES", "z³ (ψ′(z) − 1/z − 1/(2z²)) by powers of 1/z², z ≥ 3.", powers(after_inverse, 0, mpf(1) / 9, 13))

mp.prec = 1400
two_over_pi = 2 / mm.pi
rows = [[], [], [], []]
for bucket in range(64):
    rest = mm.fmod(mm.ldexp(two_over_pi, 16 * bucket), mpf(2) ** 54)
    for row in rows:
        piece = mpf(float(rest))
        row.append(piece)
        rest -= piece
for k, row in enumerate(rows):
    array(f"TWO_OVER_PI_{k}", f"Part {k} of (2/π · 2^(16 i)) mod 2⁵⁴, i = 0 … 63.", row)
