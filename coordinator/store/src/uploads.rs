//! Edges: images on their way into Glance, in the inventory.

use uuid::Uuid;

use super::{
    Inventory, InventoryError, Upload, failed,
    row::{Reader, big},
};

impl Inventory {
    /// Stores that an image is about to be made.
    pub async fn put_upload(&self, image: Uuid, file_bytes: u64) -> Result<(), InventoryError> {
        sqlx::query("INSERT INTO uploads (image, file_bytes, began_us) VALUES ($1, $2, $3)")
            .bind(image.to_string())
            .bind(big(file_bytes))
            .bind(big(self.clock.now_us()))
            .execute(&self.pool)
            .await
            .map_err(failed("store an upload"))?;
        Ok(())
    }

    /// Images that are being uploaded, or were when something broke.
    pub async fn uploads(&self) -> Result<Vec<Upload>, InventoryError> {
        let rows = sqlx::query("SELECT image, file_bytes FROM uploads ORDER BY began_us")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the uploads"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "an upload".to_owned() };
                Ok(Upload { image: read.parsed("image")?, file_bytes: read.number("file_bytes")? })
            })
            .collect()
    }

    /// Forgets an upload: its image is whole, or gone.
    pub async fn delete_upload(&self, image: Uuid) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM uploads WHERE image = $1")
            .bind(image.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("forget an upload"))?;
        Ok(())
    }
}
