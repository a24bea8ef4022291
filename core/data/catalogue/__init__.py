"""Every code of a finding, by what it is about."""
