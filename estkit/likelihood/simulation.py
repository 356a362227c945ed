"""Data drawn from a fit, and what becomes of the estimator on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.likelihood.family import Floats
from estkit.likelihood.uncertainty import Uncertainty
from estkit.montecarlo import streams

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult


class Simulation(Uncertainty):
    """What a fit inherits to be simulated from."""

    def simulate(self, *, rng: Any = None, replicates: int | None = None) -> NDArray[Any]:
        """Draw new responses at the training rows from the fitted model.

        Parameters
        ----------
        rng : int, SeedSequence, Generator or None
            The source of randomness.
        replicates : int, optional
            How many responses to draw; the result then has them as its first axis.

        Returns
        -------
        array
            In the form of y: labels, counts where rows stand for several trials, or numbers.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1])
        >>> fit.simulate(rng=1, replicates=2).shape
        (2, 4)
        """
        self._usable()
        self._need_likelihood("simulate")
        model = self._training("simulate")
        if replicates is not None and (replicates != int(replicates) or replicates < 0):
            raise DataError(f"replicates must be 0 or more, got {replicates!r}.")
        coded = model.draw(
            self._point,
            None if self.sigma is None else self.sigma.value,
            streams.generator_of(rng),
            1 if replicates is None else int(replicates),
        )
        drawn: NDArray[Any] = model.decode(coded)
        return drawn[0] if replicates is None else drawn

    def bootstrap(
        self,
        replicates: int = 1000,
        *,
        rng: Any = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> StudyResult:
        """Study the estimator where the truth is this fit: the parametric bootstrap.

        Parameters
        ----------
        replicates : int
            How many times to draw responses and fit again.
        rng : int, SeedSequence, Generator or None
            The seed.
        n_jobs : int, optional
            How many workers.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        StudyResult
            Bias, variance, coverage and the rest of the estimator at the training rows, each with
            its Monte-Carlo standard error.

        Examples
        --------
        >>> import estkit as ek
        >>> x = [0.1, 0.4, 0.9, 1.3, 1.8, 2.2, 2.9, 3.1, 3.7, 4.0] * 4
        >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1] * 4
        >>> study = ek.fit(ek.Binomial(), x, y).bootstrap(200, rng=1)
        >>> study.summary("bias").value.round(2).tolist()
        [-0.06, 0.02]
        """
        from estkit.likelihood.bootstrap import study_of

        self._usable()
        self._need_likelihood("bootstrap")
        self._training("bootstrap")
        return study_of(self).run(replicates, rng=rng, n_jobs=n_jobs, progress=progress)

    def _bootstrap_limits(
        self, level: float, replicates: int, rng: Any, n_jobs: int | None
    ) -> Floats:
        from estkit.likelihood.bootstrap import percentile_limits

        return percentile_limits(self, level, replicates, rng, n_jobs)
