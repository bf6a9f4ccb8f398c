"""How the checkpoints of one model class are rebuilt from settings and tensors, without trusting either.

Importing this module imports no torch: everything heavy is named as `module:function`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Architecture:
    """A model class whose checkpoints strangers may submit, as settings and safetensors.

    Attributes:
        name: slug, the `architecture` of its records.
        settings: `module:Class`, a frozen dataclass of numbers, texts and booleans.
        ranges: smallest and largest value of each number among the settings, so that no settings can ask
            for more memory or time than a model of its kind needs.
        build: `module:function`, called with the settings; returns the module whose state is in the file.
        describe: `module:function`, called with the settings; returns the configuration as records hold it,
            and the numbers that the code holds for each pixel (None where there is no code).
        reconstructor: `module:function`, called with the loaded module and a `ModelInfo`; returns the
            reconstructor on the CPU in float32.
    """

    name: str
    settings: str
    build: str
    describe: str
    reconstructor: str
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
