// A signed-in browser forgets the token with the page: persistAuthorization would keep it in local storage. The client
// id is the service's business; Swagger UI only wants to have one.
const page = document.getElementById("swagger-ui").dataset;

// The page shows every request that it has sent, with a curl command to copy: the token is in neither.
const withoutToken = (original) => (_state, path, method) => {
  const request = original(path, method);
  const headers = request?.get("headers");
  if (!headers) return request;
  const hidden = headers.map((value, name) => (name.toLowerCase() === "authorization" ? "Bearer (your token)" : value));
  return request.set("headers", hidden);
};

// A token is typed like a password.
const covered = (Input, { React }) => (properties) => {
  const isToken = properties.id === "auth-bearer-value";
  return React.createElement(Input, isToken ? { ...properties, type: "password", autoComplete: "off" } : properties);
};

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
  plugins: [
    {
      statePlugins: {
        spec: {
          wrapSelectors: { requestFor: withoutToken, mutatedRequestFor: withoutToken },
        },
      },
      wrapComponents: { Input: covered },
    },
  ],
  layout: "BaseLayout",
}).initOAuth({ clientId: "swagger-ui", usePkceWithAuthorizationCodeGrant: true });
