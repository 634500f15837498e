//! How many statements a page costs, and how many rows they read.
