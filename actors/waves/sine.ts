// A sine of our own: it uses + − × and rounding only, so that it gives the same bits on every runtime and machine.
// `Math.sin` does not. Good to an ulp or two for arguments below a million.

/** π/2 in three parts; the first two end in zeros, so that small multiples of them are exact. */
const quarterHigh = 1.5707963267341256;
const quarterMiddle = 6.077100506303966e-11;
const quarterLow = 2.0222662487959506e-21;
const quartersPerRadian = 0.6366197723675814;

/** 1/3!, 1/5!, … and 1/2!, 1/4!, …: on [−π/4, π/4] these many terms leave less than half an ulp. */
const sineTerms = [
  -1 / 6,
  1 / 120,
  -1 / 5040,
  1 / 362880,
  -1 / 39916800,
  1 / 6227020800,
  -1 / 1307674368000,
  1 / 355687428096000,
] as const;
const cosineTerms = [
  -1 / 2,
  1 / 24,
  -1 / 720,
  1 / 40320,
  -1 / 3628800,
  1 / 479001600,
  -1 / 87178291200,
  1 / 20922789888000,
] as const;

/** The sine of `x` radians. */
export function sine(x: number): number {
  const quarters = Math.round(x * quartersPerRadian);
  const r = x - quarters * quarterHigh - quarters * quarterMiddle - quarters * quarterLow;
  const square = r * r;
  switch (quarters & 3) {
    case 0:
      return r + r * series(sineTerms, square);
    case 1:
      return 1 + series(cosineTerms, square);
    case 2:
      return -(r + r * series(sineTerms, square));
    default:
      return -(1 + series(cosineTerms, square));
  }
}

type Terms = readonly [number, number, number, number, number, number, number, number];

function series(t: Terms, s: number): number {
  const upper = t[4] + s * (t[5] + s * (t[6] + s * t[7]));
  return s * (t[0] + s * (t[1] + s * (t[2] + s * (t[3] + s * upper))));
}
