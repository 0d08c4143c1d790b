"""Lambda entry points: one package a capability, one module a trigger."""
