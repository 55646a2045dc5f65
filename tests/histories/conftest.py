"""A hypothesis profile for planted bugs: a failure is enough, the smallest one is not looked for."""

from hypothesis import Phase, settings

settings.register_profile("first-failure", phases=[Phase.explicit, Phase.generate])
