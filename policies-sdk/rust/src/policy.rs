use std::rc::Rc;

use crate::json::{FromJson, Reader};
use crate::schema::{Rope, Schema};
use crate::{Answer, Inputs, Problem, Value, Values};

/// A policy; `#[policy]` on a function makes one, as a struct named `Policy`.
pub trait Policy: Sized + 'static {
    /// What the settings become, once, at load.
    type Prepared: Prepared;
    /// The request fields that the policy reads.
    type Inputs: Inputs<Self::Prepared>;
    /// The description, as JSON text.
    const DESCRIPTION: Rope;
    /// The codes that the policy may use; one that ends in `.*` stands for all that start like it.
    const CODES: &'static [&'static str];
    /// The reference documents that the policy may read.
    const DATA: &'static [&'static str];
    /// Whether the policy may read the ledger's history.
    const HISTORY: bool;

    /// Judges a request.
    ///
    /// # Errors
    /// Why it could not: a fault.
    fn evaluate(settings: &Self::Prepared, inputs: &Self::Inputs) -> Result<Answer, String>;
}

/// Settings worked into what `evaluate` needs: patterns compiled, lists sorted, text parsed. Types with
/// `#[derive(Settings)]` are prepared as they are.
pub trait Prepared: Sized + 'static {
    /// The settings as they are written.
    type Settings: FromJson + Schema;

    /// Works on the settings. Called once, at load.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn prepare(settings: Self::Settings) -> Result<Self, Vec<Problem>>;
}

/// The settings of a policy that has none: anything but `{}` is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSettings;

impl FromJson for NoSettings {
    const NAME: &'static str = "an object";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.begin_object()?;
        while reader.next_key().is_some() {
            reader.unknown(&[]);
        }
        Some(NoSettings)
    }
}

impl Schema for NoSettings {
    const MEMBERS: Rope = Rope::Text(r#""type":"object","additionalProperties":false"#);
}

impl Prepared for NoSettings {
    type Settings = NoSettings;

    fn prepare(settings: NoSettings) -> Result<Self, Vec<Problem>> {
        Ok(settings)
    }
}

/// A policy with its settings: what is kept between `configure` and `evaluate`.
pub struct Configured<P: Policy> {
    prepared: P::Prepared,
    pointers: Rc<[String]>,
}

impl<P: Policy> Configured<P> {
    /// Reads the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(settings: &str) -> Result<Configured<P>, Vec<Problem>> {
        let prepared = P::Prepared::prepare(Reader::read_all(settings)?)?;
        let pointers = P::Inputs::pointers(&prepared).into();
        Ok(Configured { prepared, pointers })
    }

    /// The request fields that [`Configured::evaluate`] wants, as JSON pointers.
    #[must_use]
    pub fn pointers(&self) -> &[String] {
        &self.pointers
    }

    /// Judges a request by the values of [`Configured::pointers`].
    ///
    /// # Errors
    /// Why it could not: a fault.
    pub fn evaluate(&self, values: Vec<Value>) -> Result<Answer, String> {
        if values.len() != self.pointers.len() {
            return Err(format!("{} inputs instead of {}", values.len(), self.pointers.len()));
        }
        let inputs = P::Inputs::read(&mut Values::new(values, &self.pointers))?;
        P::evaluate(&self.prepared, &inputs)
    }
}
