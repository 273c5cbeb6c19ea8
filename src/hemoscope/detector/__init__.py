"""From a Scan to a Detection: the bundle, the network, its calibration and the state."""
