"""`latchkey pump-sim`: what four attackers and honest people cost, on a local stack whose clock is moved (FRD-13)."""
