// Swagger UI over hilum's own description. The token that is typed in is kept in the page's memory alone.
"use strict";
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/api/openapi.json",
    dom_id: "#api",
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
