"""Expressions as the grammar allows them, most of them senseless. https://hl7.org/fhirpath/N1/grammar.html"""

from __future__ import annotations

from hypothesis import strategies as st

from hilum.fhirpath.functions import COMPILED, FUNCTIONS

# fmt: off
LITERALS = (
    "1", "0", "-1", "9999999999", "2147483647", "3.14", "0.0000001", "1" + "0" * 40 + ".5", "true", "false", "{}",
    "''", "'a'", "'[a-z]+'", "'(a|b)*'", "'1974-12-25'", "'2147483648'", "'4 days'", "'\\u0041\\n'", "'" + "x" * 300 + "'",
    "@2014", "@2014-02", "@2014-02-28", "@0001-01-01", "@9999-12-31", "@2014T", "@2014-02-28T10", "@2014-02-28T10:30Z",
    "@2014-02-28T10:30:00.000+14:00", "@9999-12-31T23:59:59.999-12:00", "@T10", "@T23:59:59.9", "4 days", "1 year",
    "1000000000 years", "10 milliseconds", "3 'mg'", "2 'g'", "1 'cm'", "37 'Cel'", "98 '[degF]'", "1 'no unit'", "5 ''",
    "$this", "$index", "$total", "%resource", "%rootResource", "%context", "%ucum", "%`vs-x`", "%'us-zip'", "%nobody",
)
NAMES = (
    "name", "given", "family", "birthDate", "telecom", "value", "code", "coding", "system", "id", "extension", "url",
    "contact", "period", "start", "end", "subject", "reference", "component", "Patient", "Observation", "Resource",
    "contained", "text", "div", "meta", "lastUpdated", "active", "multipleBirth", "referenceRange", "low", "`div`", "x",
)
TYPES = (
    "Patient", "string", "Quantity", "System.String", "FHIR.code", "Boolean", "Element", "Resource", "date", "Pigeon",
    "System.Patient", "dateTime", "integer", "DomainResource",
)
OPERATORS = (
    "+", "-", "*", "/", "div", "mod", "&", "|", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "and", "or", "xor", "implies",
    "in", "contains",
)
# fmt: on
_CALLED = (*FUNCTIONS, *COMPILED, "nothing")

_leaves = st.one_of(st.sampled_from(LITERALS), st.sampled_from(NAMES))


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(", ".join)
    call = st.tuples(st.sampled_from(_CALLED), arguments).map(lambda made: f"{made[0]}({made[1]})")
    return st.one_of(
        st.tuples(inner, st.sampled_from(NAMES)).map(lambda made: f"({made[0]}).{made[1]}"),
        st.tuples(inner, call).map(lambda made: f"({made[0]}).{made[1]}"),
        st.tuples(inner, call).map(lambda made: f"({made[0]}).{made[1]}"),
        call,
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda made: f"({made[0]}) {made[1]} ({made[2]})"),
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
        st.tuples(inner, inner).map(lambda made: f"({made[0]})[{made[1]}]"),
        st.tuples(inner, st.sampled_from(("is", "as")), st.sampled_from(TYPES)).map(" ".join),
        inner.map(lambda made: f"-({made})"),
    )


expressions = st.recursive(_leaves, _grown, max_leaves=12)
