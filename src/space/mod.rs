//! Space: points of PostGIS, curves through them, vectors as points, and finding what is near.

pub mod curves;
pub mod geometry;
pub mod near;
mod projection;
pub mod similar;
pub mod spatialize;
