// A signed-in browser forgets the token with the page: persistAuthorization would keep it in local storage. The client
// id is the service's business; Swagger UI only wants to have one.
const page = document.getElementById("swagger-ui").dataset;
SwaggerUIBundle({
  url: page.openapi,
  dom_id: "#swagger-ui",
  oauth2RedirectUrl: window.location.origin + page.redirect,
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
}).initOAuth({ clientId: "swagger-ui", usePkceWithAuthorizationCodeGrant: true });
