"use strict";
// Swagger UI over our own document. "Try it out" calls this very origin, with this browser's cookies.
window.SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  defaultModelRendering: "model",
  displayOperationId: true,
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null, // it would send the document to somebody else
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin) request.headers["Latchkey-Client"] = "web";
    return request;
  },
});

// Swagger UI skips a level of headings; whoever reads by headings should miss none (WCAG 1.3.1).
const LEVELS = { H3: "2", H4: "3", H5: "4" };
new MutationObserver(() => {
  for (const heading of document.querySelectorAll("#docs h3, #docs h4, #docs h5")) heading.setAttribute("aria-level", LEVELS[heading.tagName]);
}).observe(document.getElementById("docs"), { childList: true, subtree: true });
