//! Space: points of PostGIS, curves through them, vectors as points, and finding what is near.

pub mod curves;
mod geometry;
pub mod near;
mod projection;
mod similar;
pub mod spatialize;
