//! Values: how a sensor's raw byte becomes a number (sections 36.3 and 43.1).

use super::{
    super::{Malformed, wire::Reader},
    unit::Unit,
};

/// How a raw byte is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0 to 255.
    Unsigned,
    /// One's complement.
    OnesComplement,
    /// Two's complement.
    TwosComplement,
}

impl Format {
    /// From the two top bits of the units' first byte; none: the sensor has no number.
    fn of(units: u8) -> Option<Self> {
        match units >> 6 {
            0 => Some(Format::Unsigned),
            1 => Some(Format::OnesComplement),
            2 => Some(Format::TwosComplement),
            _ => None,
        }
    }

    fn code(format: Option<Self>) -> u8 {
        format.map_or(3, |format| format as u8) << 6
    }

    fn value(self, raw: u8) -> i32 {
        match self {
            Format::Unsigned => i32::from(raw),
            Format::OnesComplement if raw & 0x80 != 0 => -i32::from(!raw),
            Format::OnesComplement => i32::from(raw),
            Format::TwosComplement => i32::from(raw as i8),
        }
    }
}

/// The function behind the straight line (table 43-1, byte 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// None.
    Linear,
    /// Natural logarithm.
    Ln,
    /// Logarithm to the base 10.
    Log10,
    /// Logarithm to the base 2.
    Log2,
    /// e to that power.
    Exp,
    /// 10 to that power.
    Exp10,
    /// 2 to that power.
    Exp2,
    /// One over it.
    Inverse,
    /// Its square.
    Square,
    /// Its cube.
    Cube,
    /// Its square root.
    SquareRoot,
    /// Its cube root.
    CubeRoot,
    /// The factors differ from reading to reading: "Get Sensor Reading Factors" gives them.
    NonLinear,
    /// A maker's own, by its number.
    Oem(u8),
}

impl Curve {
    const NAMED: [Self; 12] = [
        Self::Linear,
        Self::Ln,
        Self::Log10,
        Self::Log2,
        Self::Exp,
        Self::Exp10,
        Self::Exp2,
        Self::Inverse,
        Self::Square,
        Self::Cube,
        Self::SquareRoot,
        Self::CubeRoot,
    ];

    fn of(code: u8) -> Self {
        match code & 0x7f {
            0x70 => Curve::NonLinear,
            code => Self::NAMED.get(usize::from(code)).copied().unwrap_or(Curve::Oem(code)),
        }
    }

    fn code(self) -> u8 {
        match self {
            Curve::NonLinear => 0x70,
            Curve::Oem(code) => code & 0x7f,
            named => Self::NAMED.iter().position(|curve| *curve == named).map_or(0, |code| code as u8),
        }
    }

    /// None: the result is no number, or nobody but the maker knows.
    fn apply(self, x: f64) -> Option<f64> {
        let y = match self {
            // With the factors of this very reading it is a straight line.
            Curve::Linear | Curve::NonLinear => x,
            Curve::Ln => x.ln(),
            Curve::Log10 => x.log10(),
            Curve::Log2 => x.log2(),
            Curve::Exp => x.exp(),
            Curve::Exp10 => 10_f64.powf(x),
            Curve::Exp2 => x.exp2(),
            Curve::Inverse => 1.0 / x,
            Curve::Square => x * x,
            Curve::Cube => x * x * x,
            Curve::SquareRoot => x.sqrt(),
            Curve::CubeRoot => x.cbrt(),
            Curve::Oem(_) => return None,
        };
        y.is_finite().then_some(y)
    }
}

/// The straight line: `(M * raw + B * 10^Bexp) * 10^Rexp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// M, 10 bits with sign.
    pub m: i16,
    /// B, 10 bits with sign.
    pub b: i16,
    /// Exponent of B, 4 bits with sign.
    pub b_exponent: i8,
    /// Exponent of the result, 4 bits with sign.
    pub r_exponent: i8,
}

fn signed(value: u16, bits: u32) -> i16 {
    let spare = 16 - bits;
    ((value << spare) as i16) >> spare
}

impl Factors {
    /// Six bytes: M, its top with the tolerance, B, its top with the accuracy, accuracy, both exponents.
    pub(crate) fn parse(bytes: [u8; 6]) -> Self {
        let [m, m_top, b, b_top, _, exponents] = bytes;
        let ten = |low: u8, top: u8| signed(u16::from(low) | u16::from(top >> 6) << 8, 10);
        let four = |nibble: u8| signed(u16::from(nibble & 0x0f), 4) as i8;
        Self {
            m: ten(m, m_top),
            b: ten(b, b_top),
            b_exponent: four(exponents),
            r_exponent: four(exponents >> 4),
        }
    }

    pub(crate) fn build(&self) -> [u8; 6] {
        let top = |value: i16| ((value as u16 >> 8) as u8 & 3) << 6;
        let exponents = (self.r_exponent as u8) << 4 | self.b_exponent as u8 & 0x0f;
        [self.m as u8, top(self.m), self.b as u8, top(self.b), 0, exponents]
    }

    fn line(&self, raw: i32) -> f64 {
        let b = f64::from(self.b) * 10_f64.powi(self.b_exponent.into());
        (f64::from(self.m) * f64::from(raw) + b) * 10_f64.powi(self.r_exponent.into())
    }
}

/// How a sensor's raw bytes become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formula {
    /// How a raw byte is a number.
    pub format: Format,
    /// What is done with the line's result.
    pub curve: Curve,
    /// The line.
    pub factors: Factors,
}

impl Formula {
    /// The number of a raw byte; none: it has none.
    pub fn value(&self, raw: u8) -> Option<f64> {
        self.curve.apply(self.factors.line(self.format.value(raw)))
    }

    /// How far a distance of so many raw steps is, on a straight line; 0 on a curve, where it differs from place to place.
    pub fn distance(&self, raw: u8) -> f64 {
        match self.curve {
            Curve::Linear => {
                let from = self.factors.line(0);
                (self.factors.line(i32::from(raw)) - from).abs()
            }
            _ => 0.0,
        }
    }

    /// The same with other factors, of [`Curve::NonLinear`].
    pub fn with(&self, factors: Factors) -> Self {
        Self { factors, ..*self }
    }
}

/// Bytes 21 to 30 of a full record: units, curve, factors.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<(Unit, Option<Formula>), Malformed> {
    let [shape, base, modifier, curve] = reader.array()?;
    let factors = Factors::parse(reader.array()?);
    let formula = Format::of(shape).map(|format| Formula { format, curve: Curve::of(curve), factors });
    Ok((Unit { shape: shape & 0x3f, base, modifier }, formula))
}

/// The same to bytes.
pub(super) fn build(unit: Unit, formula: Option<Formula>) -> Vec<u8> {
    let shape = unit.shape & 0x3f | Format::code(formula.map(|formula| formula.format));
    let mut bytes = vec![shape, unit.base, unit.modifier];
    bytes.push(formula.map_or(0, |formula| formula.curve.code()));
    let none = Factors { m: 0, b: 0, b_exponent: 0, r_exponent: 0 };
    bytes.extend(formula.map_or(none, |formula| formula.factors).build());
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn formula(format: Format, curve: Curve, m: i16, b: i16, b_exponent: i8, r_exponent: i8) -> Formula {
        Formula { format, curve, factors: Factors { m, b, b_exponent, r_exponent } }
    }

    #[test]
    fn raw_bytes_become_numbers_as_the_specification_has_it() {
        let check = |formula: Formula, raw: u8, expected: f64| {
            let value = formula.value(raw).unwrap();
            assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{formula:?} {raw}: {value}");
        };
        use Curve::*;
        use Format::*;
        check(formula(Unsigned, Linear, 1, 0, 0, 0), 42, 42.0);
        // A 12 V rail: 0.06 V a step; a fan: 75 rpm a step; a temperature below zero.
        check(formula(Unsigned, Linear, 6, 0, 0, -2), 201, 12.06);
        check(formula(Unsigned, Linear, 75, 0, 0, 0), 100, 7500.0);
        check(formula(TwosComplement, Linear, 1, 0, 0, 0), 0xf6, -10.0);
        check(formula(OnesComplement, Linear, 1, 0, 0, 0), 0xf5, -10.0);
        check(formula(Unsigned, Linear, -1, 255, 0, 0), 5, 250.0);
        check(formula(Unsigned, Linear, 2, 5, 1, -1), 10, 7.0);
        check(formula(Unsigned, Ln, 1, 0, 0, 0), 1, 0.0);
        check(formula(Unsigned, Log10, 1, 0, 0, 0), 100, 2.0);
        check(formula(Unsigned, Log2, 1, 0, 0, 0), 8, 3.0);
        check(formula(Unsigned, Exp, 1, 0, 0, 0), 0, 1.0);
        check(formula(Unsigned, Exp10, 1, 0, 0, 0), 3, 1000.0);
        check(formula(Unsigned, Exp2, 1, 0, 0, 0), 10, 1024.0);
        check(formula(Unsigned, Inverse, 1, 0, 0, 0), 4, 0.25);
        check(formula(Unsigned, Square, 1, 0, 0, 0), 12, 144.0);
        check(formula(Unsigned, Cube, 1, 0, 0, 0), 3, 27.0);
        check(formula(Unsigned, SquareRoot, 1, 0, 0, 0), 144, 12.0);
        check(formula(Unsigned, CubeRoot, 1, 0, 0, 0), 27, 3.0);
        assert_eq!(formula(Unsigned, Inverse, 1, 0, 0, 0).value(0), None, "no number");
        assert_eq!(formula(Unsigned, Oem(0x71), 1, 0, 0, 0).value(1), None, "the maker's own");
    }

    proptest! {
        #[test]
        fn formulas_come_back(
            format in prop_oneof![Just(Format::Unsigned), Just(Format::OnesComplement), Just(Format::TwosComplement)],
            curve in 0..0x80_u8, m in -512..512_i16, b in -512..512_i16, b_exponent in -8..8_i8, r_exponent in -8..8_i8,
            shape in 0..0x40_u8, base: u8, modifier: u8, raw: u8,
        ) {
            let formula = formula(format, Curve::of(curve), m, b, b_exponent, r_exponent);
            let unit = Unit { shape, base, modifier };
            let bytes = build(unit, Some(formula));
            prop_assert_eq!(parse(&mut Reader::new("units", &bytes)), Ok((unit, Some(formula))));
            prop_assert!(formula.value(raw).is_none_or(f64::is_finite));
            let _ = unit.to_string();
        }
    }
}
