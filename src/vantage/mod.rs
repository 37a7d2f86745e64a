//! Places that measurements are taken from: how a connection is made and which resolvers are a vantage's own.
