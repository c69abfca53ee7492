"""The route table. What stands here is what there is: dispatch, CapabilityStatement and docs are made from it.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

from hilum.rest import batch, capability, history, read, search, write
from hilum.rest.operations.calling import routes
from hilum.rest.operations.table import OPERATIONS
from hilum.rest.router import Route

_MODE = frozenset({"mode"})

# Pattern, method, interaction, level, handler, what it does, query parameters beside the general ones.
# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("metadata", "GET", "capabilities", "system", capability.capabilities,
          "What this server can do; open to everyone.", _MODE, open=True),
    Route("[type]/[id]", "GET", "read", "instance", read.read,
          "The current version; 304 when the client has it (If-None-Match, If-Modified-Since)."),
    Route("[type]/[id]/_history/[vid]", "GET", "vread", "instance", read.vread,
          "One version."),
    Route("[type]/[id]", "PUT", "update", "instance", write.update,
          "A new version (If-Match: only of that one), or the first one under this id."),
    Route("[type]/[id]", "PATCH", "patch", "instance", write.patch,
          "A JSON Patch, an XML Patch or a FHIRPath Patch."),
    Route("[type]/[id]", "DELETE", "delete", "instance", write.delete,
          "Delete; the history stays."),
    Route("[type]/[id]/_history", "GET", "history-instance", "instance", history.history,
          "Versions of one resource, newest first.", history.TAKES),
    Route("[type]", "POST", "create", "type", write.create,
          "Create; with If-None-Exist only when nothing matches.", criteria=True),
    Route("[type]", "GET", "search-type", "type", search.search,
          "Search.", None),
    Route("[type]/_search", "POST", "search-type", "type", search.search,
          "Search, parameters in a form.", None),
    Route("[type]", "PUT", "update", "type", write.conditional_update,
          "Update the one resource that the criteria find, or create it.", None, criteria=True),
    Route("[type]", "PATCH", "patch", "type", write.conditional_patch,
          "Patch the one resource that the criteria find.", None, criteria=True),
    Route("[type]", "DELETE", "delete", "type", write.conditional_delete,
          "Delete the one resource that the criteria find; all of them with `_multiple=true`.", None, criteria=True),
    Route("[type]/_history", "GET", "history-type", "type", history.history,
          "Versions of all resources of a type, newest first.", history.TAKES),
    Route("[type]/[id]/[type]", "GET", "search-compartment", "system", search.search,
          "Search within a compartment; `*` in place of the second type is all types.", None),
    Route("[type]/[id]/[type]/_search", "POST", "search-compartment", "system", search.search,
          "The same, parameters in a form.", None),
    Route("", "GET", "search-system", "system", search.search,
          "Search across types (`_type`).", None),
    Route("_search", "POST", "search-system", "system", search.search,
          "Search across types, parameters in a form.", None),
    Route("", "POST", "transaction", "system", batch.bundle,
          "A Bundle of type transaction: all of it happens, or nothing."),
    Route("", "POST", "batch", "system", batch.bundle,
          "A Bundle of type batch: each entry for itself."),
    Route("_history", "GET", "history-system", "system", history.history,
          "Versions of everything, newest first.", history.TAKES),
    *routes(OPERATIONS),
)
# fmt: on
"""In the order in which the CapabilityStatement lists interactions."""
