"""The fourth world: a roofed flying ground with coloured gates, trees and wind, and a small quadrotor in it."""
