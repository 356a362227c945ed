"""``Likelihood``: the user's own log-likelihood, fitted and judged like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, EstkitError
from estkit.frames import as_frame
from estkit.gradients.checking.report import GradientReport
from estkit.likelihood.custom.derivatives import Derivatives, first_steps
from estkit.likelihood.custom.function import (
    Function,
    examined,
    fingerprint,
    like,
    protected,
)
from estkit.likelihood.custom.given import Written, gradient_report
from estkit.likelihood.custom.model import CustomModel
from estkit.likelihood.custom.parameters import Layout, places_of, read_layout
from estkit.likelihood.custom.setting import check_at_start, chosen_derivatives, read_by_row
from estkit.likelihood.custom.transforms import Transforms, named_bounds, read_bounds
from estkit.likelihood.family import Floats
from estkit.likelihood.weights import Weights

DERIVATIVES = ("auto", "complex", "differences", "jax")


@dataclass(frozen=True, eq=False, repr=False)
class Likelihood:
    """A log-likelihood written by the user: any function of parameters and data.

    Fit it with ``ek.fit(likelihood, X, y)``, ``ek.fit(likelihood, X)``, or ``ek.fit(likelihood)``
    when the function knows its data.

    Parameters
    ----------
    loglik : callable
        ``loglik(params)``, ``loglik(params, X)`` or ``loglik(params, X, y)``, as data are passed to
        `fit`. It returns the log-likelihood of each row, shape (n,), or the sum. Values for each
        row give robust covariances, and take frequency and sampling weights.
    start : mapping of str to number or array, or array of shape (k,)
        Where to begin; `loglik` gets its parameters in the same form. Those of a mapping are
        ``params["mu"]`` or ``params.mu``.
    gradient : callable, optional
        Called like `loglik`; the derivative to each parameter, a mapping or an array, for the total
        or for each row, (n, k). It is compared with differences at the start and at the maximum.
    hessian : callable, optional
        The same for second derivatives of the total: an array (k, k), or a mapping of pairs of
        names. It is compared, too.
    bounds : mapping of str to (lower, upper), optional
        Open intervals for parameters, None where there is no bound. Inside, the parameter is made
        from an unbounded number, so that bounds are never crossed; errors are carried through.
    transforms : mapping of str to {"identity", "log", "logit", "atanh"}, optional
        The same by the name of the transform: positive, from 0 to 1, from -1 to 1.
    fixed : mapping of str to number, optional
        Parameters that are not estimated; `loglik` gets them with the others.
    names : sequence of str, optional
        Names for a start that is an array; ``theta0``, ``theta1``, ... by default.
    per_row : bool, optional
        Whether `loglik` returns values for each row; by default seen from what it returns.
    derivatives : {"auto", "complex", "differences", "jax"}
        How derivatives are found when none is given: by the complex step if the function can be
        called with complex numbers and differences confirm it, else by differences of sixth order;
        by JAX if the function returns its arrays. The fit says which, and how exact they are.
    starts : int or list of starts
        More points to begin at: how many in all, the others drawn around `start`; or where else.
        ``fit.optima`` lists the distinct maxima, and the highest is the answer.
    rng : int, SeedSequence, Generator or None
        For drawn starts.
    simulate : callable, optional
        ``simulate(params, rng, X)`` returns a new y, or a new X if the fit has no y; it makes
        ``fit.simulate`` and ``fit.bootstrap`` work.
    n_obs : int, optional
        The number of observations for the BIC, when it is not the number of rows.

    Raises
    ------
    DataError
        If start, bounds, transforms or fixed do not fit together.

    Notes
    -----
    The fit raises when there is no maximum to report, and says why: a maximum at a bound or at
    infinity, parameters that the data do not identify, a function that is the negative
    log-likelihood, derivatives too inexact to certify one. Arrays are handed to the function as
    read-only views, frames as they are.

    References
    ----------
    Squire and Trapp (1998), SIAM Review 40, 110-112, for the complex step. White (1982),
    Econometrica 50, 1-25, for the robust covariance.

    Examples
    --------
    A zero-inflated Poisson distribution:

    >>> import numpy as np
    >>> import estkit as ek
    >>> def loglik(params, y):
    ...     zero = np.log(params.p + (1 - params.p) * np.exp(-params.rate))
    ...     return np.where(
    ...         y == 0, zero, np.log1p(-params.p) - params.rate + y * np.log(params.rate)
    ...     )
    >>> zip_model = ek.Likelihood(
    ...     loglik, {"p": 0.5, "rate": 1.0}, bounds={"p": (0, 1), "rate": (0, None)}
    ... )
    >>> fit = ek.fit(zip_model, np.repeat([0, 1, 2, 3, 4, 5], [55, 12, 15, 10, 5, 3]))
    >>> fit.params.round(4), fit.std_errors.round(4)
    (array([0.4858, 2.081 ]), array([0.0595, 0.2399]))
    >>> fit.interval(method="profile").round(3)
    array([[0.365, 0.598],
           [1.641, 2.582]])
    >>> fit.derivatives
    'complex'
    """

    weightings: ClassVar = ("frequency", "sampling")

    loglik: Callable[..., Any]
    start: Any
    gradient: Callable[..., Any] | None = None
    hessian: Callable[..., Any] | None = None
    _: KW_ONLY
    bounds: Mapping[str, Any] | None = None
    transforms: Mapping[str, str] | None = None
    fixed: Mapping[str, Any] | None = None
    names: Sequence[str] | None = None
    per_row: bool | None = None
    derivatives: str = "auto"
    starts: Any = 1
    rng: Any = None
    simulate: Callable[..., Any] | None = None
    n_obs: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        for what in ("loglik", "gradient", "hessian", "simulate"):
            given = getattr(self, what)
            if not callable(given) and (given is not None or what == "loglik"):
                raise DataError(f"{what} must be a function, got {given!r:.60}.")
        if self.derivatives not in DERIVATIVES:
            raise DataError(f"derivatives must be one of {DERIVATIVES}, got {self.derivatives!r}.")
        if self.gradient is not None and self.derivatives != "auto":
            raise DataError(
                "gradient= is given, so derivatives= has nothing to say; leave one out."
            )
        if self.hessian is not None and self.gradient is None:
            raise DataError("hessian= is given without gradient=; give both, or the gradient.")
        if self.n_obs is not None and not self.n_obs > 0:
            raise DataError(f"n_obs must be the number of observations, got {self.n_obs!r}.")
        if isinstance(self.starts, int) and self.starts < 1:
            raise DataError(f"starts must be 1 or more, or a list of starts; got {self.starts!r}.")
        layout = read_layout(self.start, self.names, self.fixed)
        _placed(layout, self._transforms(layout), layout.values[layout.free], "start")

    def __eq__(self, other: object) -> bool:
        """Two fits of the same function may be nested, whatever is fixed in them."""
        return isinstance(other, Likelihood) and self.loglik == other.loglik

    def __hash__(self) -> int:
        return hash(self.loglik)

    def __repr__(self) -> str:
        name = getattr(self.loglik, "__name__", type(self.loglik).__name__)
        names = read_layout(self.start, self.names, self.fixed).names
        return f"Likelihood({name}, {', '.join(names)})"

    def model(
        self,
        X: Any = None,
        y: Any = None,
        *,
        intercept: bool = True,
        weights: Any = None,
        sampling_weights: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> CustomModel:
        """Return the model for data; the function is called where it starts."""
        if offset is not None or not intercept:
            what = "offset" if offset is not None else "intercept"
            raise DataError(f"{what}= means nothing to a Likelihood; write it into the function.")
        arguments = (X, y) if y is not None else () if X is None else (X,)
        layout = read_layout(self.start, self.names, self.fixed)
        transforms = self._transforms(layout)
        origin = _placed(layout, transforms, layout.values[layout.free], "start")
        seen = tuple(protected(argument) for argument in arguments)
        function = Function(self.loglik, seen, layout, transforms, per_row=self.per_row)
        before = [fingerprint(argument) for argument in arguments]
        function, rows = examined(function, origin)
        if before != [fingerprint(argument) for argument in arguments]:
            raise DataError(
                "The log-likelihood changed the data that it was given; let it work on a copy."
            )
        by_row = {"weights": weights, "sampling_weights": sampling_weights, "groups": groups}
        weighted, codes = read_by_row(function, rows, by_row, whole=self.hessian is not None)
        if weighted is not None:
            function = replace(function, weights=weighted.values)
        derivatives = chosen_derivatives(
            function, origin, self.gradient, self.hessian, self.derivatives
        )
        check_at_start(derivatives, origin)
        count = self._count(function, weighted, rows, arguments)
        others = self._other_starts(function)
        kind = "frequency" if weighted is None else weighted.kind
        return CustomModel(self, derivatives, origin, count, codes, kind, others)

    def check(self, X: Any = None, y: Any = None, *, at: Any = None) -> GradientReport:
        """Compare `gradient` with numerical derivatives, as `check_gradient` does.

        Parameters
        ----------
        X, y : optional
            The data, as they are passed to `fit`.
        at : mapping or array, optional
            Where; by default at `start`.

        Returns
        -------
        GradientReport
            With a verdict and a likely cause for each parameter that is estimated.

        Raises
        ------
        DataError
            If there is no gradient, or the log-likelihood cannot be used there.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> like = ek.Likelihood(
        ...     lambda p, y: -0.5 * (y - p.mu) ** 2, {"mu": 0.5}, lambda p, y: {"mu": p.mu - y}
        ... )
        >>> like.check(np.array([1.0, 2.0, 4.0])).causes
        ('sign: the negative of what it should be',)
        """
        if self.gradient is None:
            raise DataError("This Likelihood has no gradient= to check; estkit differentiates it.")
        arguments = (X, y) if y is not None else () if X is None else (X,)
        layout = read_layout(self.start, self.names, self.fixed)
        transforms = self._transforms(layout)
        flat = layout.values if at is None else layout.flat(at, "at")
        point = _placed(layout, transforms, flat[layout.free], "at")
        seen = tuple(protected(argument) for argument in arguments)
        function = Function(self.loglik, seen, layout, transforms, per_row=self.per_row)
        function, _ = examined(function, point)
        slopes = Written(function, self.gradient).slopes
        steps = first_steps(function, point)
        return gradient_report(Derivatives(function, "given", steps, slopes), point)

    def inside(self, start: Any, function: Function, what: str) -> Floats:
        """Return the unbounded point of a start in the form of this one's."""
        layout = function.layout
        estimated = layout.flat(start, what)[layout.free]
        return _placed(layout, function.transforms, estimated, what)

    def drawn(
        self, function: Function, outside: Floats, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return data drawn by the user's function, replicates first."""
        if self.simulate is None:
            raise EstkitError(
                "This Likelihood cannot be simulated from; pass simulate=, a function of params, "
                "rng and X that returns new data."
            )
        params = function.layout.formed(function.layout.filled(outside))
        known = function.arguments[:1] if function.arguments else ()
        return np.stack([np.asarray(self.simulate(params, rng, *known)) for _ in range(replicates)])

    def renewed(self, function: Function, values: NDArray[Any]) -> Function:
        """Return the function with drawn data in place of the last that it was given."""
        if not function.arguments:
            raise EstkitError(
                "The log-likelihood knows its data by itself, so it cannot be fitted to others; "
                "take them as an argument and pass them to fit."
            )
        *before, last = function.arguments
        return replace(function, arguments=(*before, protected(like(values, last))))

    def _transforms(self, layout: Layout) -> Transforms:
        every: dict[int, tuple[float, float]] = {}
        for name, given in (self.bounds or {}).items():
            pair = read_bounds(given, name)
            every |= dict.fromkeys(places_of(name, layout.all_names, "bounds"), pair)
        for name, kind in (self.transforms or {}).items():
            for place in places_of(name, layout.all_names, "transforms"):
                every[place] = named_bounds(kind, every.get(place), name)
        pairs = [every.get(int(i), (-np.inf, np.inf)) for i in layout.free]
        return Transforms(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]))

    def _count(
        self, function: Function, weights: Weights | None, rows: int, arguments: tuple[Any, ...]
    ) -> int:
        if self.n_obs is not None:
            return int(self.n_obs)
        if weights is not None:
            return weights.n_obs()
        if function.per_row:
            return rows
        for argument in reversed(arguments):
            shape = np.shape(argument) if as_frame(argument) is None else argument.shape
            if shape:
                return int(shape[0])
        return 0

    def _other_starts(self, function: Function) -> tuple[Floats, ...]:
        if isinstance(self.starts, int):
            return ()
        return tuple(
            self.inside(start, function, f"starts[{i}]") for i, start in enumerate(self.starts)
        )


def _placed(layout: Layout, transforms: Transforms, estimated: Floats, what: str) -> Floats:
    """Return the unbounded point, or say which parameter is not inside its bounds."""
    point = transforms.inward(estimated)
    wrong = ~np.isfinite(point)
    if wrong.any():
        j = int(np.argmax(wrong))
        raise DataError(
            f"{what} has {layout.names[j]} = {estimated[j]:g}, which is not strictly between its "
            f"bounds {transforms.lower[j]:g} and {transforms.upper[j]:g}."
        )
    return point
