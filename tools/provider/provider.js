// The OpenID provider that the tests sign in at: `node provider.js CONFIGURATION.json`, ended by the end of its input.
// CONFIGURATION: port, client_id, client_secret, redirect_uri, logout_uri, backchannel_uri, accounts (login -> claims), keys (JWK Set).
// It prints one line when it listens. Signing in asks for a login alone; it is for tests on this machine.
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const issuer = `http://127.0.0.1:${given.port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: given.client_id,
      client_secret: given.client_secret,
      redirect_uris: [given.redirect_uri],
      post_logout_redirect_uris: [given.logout_uri],
      backchannel_logout_uri: given.backchannel_uri,
      backchannel_logout_session_required: true,
      id_token_signed_response_alg: "ES256",
    },
  ],
  jwks: given.keys,
  cookies: { keys: ["for tests on this machine"] },
  claims: { openid: ["sub", "sid"], profile: ["name", "preferred_username", "groups", "institution"], email: ["email"] },
  conformIdTokenClaims: false,
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // the provider's own way refuses to call this machine
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true }, backchannelLogout: { enabled: true } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => given.accounts[id] && { accountId: id, claims: async () => ({ ...given.accounts[id], sub: id }) },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

provider.on("backchannel.error", (ctx, error) => console.error(error));

provider.use(async (ctx, next) => {
  const found = /^\/interaction\/[\w-]+$/.exec(ctx.path);
  if (!found) return next();
  if (ctx.method === "GET") {
    ctx.type = "html";
    ctx.body = `<form method="post" action="${ctx.path}"><input name="login"><button>Sign in</button></form>`;
    return;
  }
  let body = "";
  for await (const chunk of ctx.req) body += chunk;
  const login = new URLSearchParams(body).get("login");
  const result = given.accounts[login] ? { login: { accountId: login } } : { error: "access_denied", error_description: "no such person" };
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.respond = false;
});

provider.listen(given.port, "127.0.0.1", () => console.log(`listening ${issuer}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
