//! Edges: reading one column of one row, checked, with the column's name in every fault.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use super::InventoryError;

/// A row with a name for messages.
pub(super) struct Reader<'r> {
    pub row: &'r SqliteRow,
    pub name: String,
}

impl Reader<'_> {
    fn corrupt(&self, column: &'static str, reason: impl std::fmt::Display) -> InventoryError {
        InventoryError::Corrupt { column, row: self.name.clone(), reason: reason.to_string() }
    }

    pub fn text(&self, column: &'static str) -> Result<String, InventoryError> {
        self.row.try_get(column).map_err(|error| self.corrupt(column, error))
    }

    pub fn text_opt(&self, column: &'static str) -> Result<Option<String>, InventoryError> {
        self.row.try_get(column).map_err(|error| self.corrupt(column, error))
    }

    pub fn number(&self, column: &'static str) -> Result<u64, InventoryError> {
        let value: i64 = self.row.try_get(column).map_err(|error| self.corrupt(column, error))?;
        u64::try_from(value).map_err(|error| self.corrupt(column, error))
    }

    pub fn number_opt(&self, column: &'static str) -> Result<Option<u64>, InventoryError> {
        let value: Option<i64> = self.row.try_get(column).map_err(|error| self.corrupt(column, error))?;
        value.map(u64::try_from).transpose().map_err(|error| self.corrupt(column, error))
    }

    pub fn flag(&self, column: &'static str) -> Result<bool, InventoryError> {
        Ok(self.number(column)? != 0)
    }

    pub fn parsed<T>(&self, column: &'static str) -> Result<T, InventoryError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.text(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    pub fn parsed_opt<T>(&self, column: &'static str) -> Result<Option<T>, InventoryError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text = self.text_opt(column)?;
        text.map(|text| text.parse().map_err(|error| self.corrupt(column, error))).transpose()
    }

    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, InventoryError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| self.corrupt(column, error))
    }

    pub fn json_opt<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, InventoryError> {
        let text = self.text_opt(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.corrupt(column, error))).transpose()
    }
}

/// A value as the JSON that is stored for it.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own values have text keys only, so they are JSON")
}

/// A time or counter as the database's signed number.
pub(super) fn big(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
