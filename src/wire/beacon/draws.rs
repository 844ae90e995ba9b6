//! Random numbers drawn from a seed.

use super::{Nonce, Secret};
use crate::model::InstanceId;

/// Random numbers, drawn from a seed of the system's: the same seed gives the same numbers, another one nothing in common.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: Secret,
    drawn: u64,
}

impl Draws {
    /// Draws from a seed of random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed: Secret::of_seed(seed), drawn: 0 }
    }

    /// A nonce.
    pub fn nonce(&mut self) -> Nonce {
        self.drawn += 1;
        Nonce(self.seed.seal(&[b"halloo1 draw", &self.drawn.to_be_bytes()]))
    }

    /// An instance, which nobody else has.
    pub fn instance(&mut self) -> InstanceId {
        InstanceId(u64::from_be_bytes(self.nonce().echo()))
    }

    /// A number below `end`, uniformly; 0 where that is 0. Its bias is less than `end` / 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        let number = u64::from_be_bytes(self.nonce().echo());
        ((u128::from(number) * u128::from(end)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_never_prints_itself() {
        assert_eq!(format!("{:?}", Draws::new([7; 32])), "Draws { seed: Secret(..), drawn: 0 }");
    }

    #[test]
    fn draws_are_repeatable_uniform_and_below() {
        let (mut one, mut same) = (Draws::new([1; 32]), Draws::new([1; 32]));
        assert_eq!(one.nonce(), same.nonce());
        assert_ne!(one.nonce(), Draws::new([2; 32]).nonce());
        let mut seen = [0; 10];
        (0..1000).for_each(|_| seen[one.below(10) as usize] += 1);
        assert!(seen.iter().all(|count| (60..150).contains(count)), "{seen:?}");
        assert_eq!(one.below(0), 0);
    }
}
