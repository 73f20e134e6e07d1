/* What is a secret beyond doubt, and what only looks like one: one row each. Secrets are put together here
 * from parts, so that no scanner takes this file for a leak. */
#include <string.h>
#include <towline/buf.h>
#include <towline/str.h>

#include "../common/tests.h"
#include "rescan/rescan.h"

#define A20 "k3Vq9ZtB7wXe2LmPc8Rd"
#define A36 "k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6sYuA4oT0"
#define A64 A36 "Qw8Er2Ty6Ui4Op9As3Df7Gh1Jk5L"
#define HEX32 "9f86d081884c7d659a2feaa0c55ad015"
#define HEX40 HEX32 "a3bf4f1b"
#define HEX64 HEX32 "2b0b822cd15d6c15b0f00a08a3bf4f1b"
#define B64 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
#define BEGIN_KEY "-----BEGIN "
#define END_KEY "-----END RSA PRIVATE KEY-----"
#define EY "eyJ"

static const struct row {
	const char *text, *kind; /* NULL: no secret */
} rows[] = {
	/* vendors' tokens */
	{"export T=gh"
	 "p_" A36,
	 "github-token"},
	{"(gh"
	 "s_" A36 ")",
	 "github-token"},
	{"github_"
	 "pat_11AAAAAAA0" A36 A36,
	 "github-token"},
	{"glp"
	 "at-" A20,
	 "gitlab-token"},
	{"glr"
	 "t-" A20,
	 "gitlab-token"},
	{"AK"
	 "IAQ3EGB7PJXN2L5RTC",
	 "aws-key"},
	{"AS"
	 "IAQ3EGB7PJXN2L5RTC",
	 "aws-key"},
	{"xo"
	 "xb-123456789012-123456789012-" A20,
	 "slack-token"},
	{"xo"
	 "xp-1234-" A20,
	 "slack-token"},
	{"AI"
	 "zaSyD"
	 "k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6sYuA",
	 "google-key"},
	{"ya"
	 "29." A36,
	 "google-token"},
	{"GOC"
	 "SPX-k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6",
	 "google-secret"},
	{"SG"
	 ".k3Vq9ZtB7wXe2LmPc8RdF5.gH1jN6sYuA4oT0Qw8Er2Ty6Ui4Op9As3Df7Gh1Jk5Lz",
	 "sendgrid-key"},
	{"np"
	 "m_" A36,
	 "npm-token"},
	{"pypi-"
	 "AgEIcHlwaS5vcmc" A64,
	 "pypi-token"},
	{"rubygems"
	 "_" HEX40 "a1b2c3d4",
	 "rubygems-key"},
	{"dop"
	 "_v1_" HEX64,
	 "digitalocean-token"},
	{"shp"
	 "at_" HEX32,
	 "shopify-token"},
	{"hv"
	 "s.CAESIJ" A36,
	 "vault-token"},
	{"sk_"
	 "live_" A36,
	 "stripe-key"},
	{"rk_"
	 "live_" A36,
	 "stripe-key"},
	{"sk-"
	 "ant-api03-" A64 A36,
	 "anthropic-key"},
	{"sk-"
	 "proj-" A64,
	 "openai-key"},
	{"SK" HEX32, "twilio-key"},
	{"da"
	 "pi" HEX32,
	 "databricks-token"},
	{"dckr"
	 "_pat_k3Vq9ZtB7wXe2LmPc8RdF5gH1jN",
	 "docker-token"},
	{"lin_"
	 "api_" A36 "Qw8E",
	 "linear-key"},
	{"pul-" HEX40, "pulumi-token"},
	{"hf"
	 "_k3Vq9ZtB7wXeTLmPcTRdFBgHAjNCsYuADoT",
	 "huggingface-token"},
	{"gl"
	 "sa_k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6sYuA_a1b2c3d4",
	 "grafana-token"},
	{"sntryu"
	 "_" HEX64,
	 "sentry-token"},
	{"NRA"
	 "K-Q3EGB7PJXN2L5RTCQ3EGB7PJXN2",
	 "newrelic-key"},
	{"AGE-SECRET"
	 "-KEY-1Q3EGB7PJXN2L5RTC4WMV6YF8DKHSAUQ3EGB7PJXN2L5RTC4WMV6YF8DKHS",
	 "age-key"},
	{"token " EY "hbGciOiJIUzI1NiJ9." EY
	 "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
	 "json-web-token"},
	/* assignments */
	{"db_password=" A20, "assigned-secret"},
	{"DB_PASSWORD=\"" A20 "\"", "assigned-secret"},
	{"password: " A20, "assigned-secret"},
	{"\"client_secret\": \"" A20 "\",", "assigned-secret"},
	{"{\\\"apiKey\\\":\\\"" A20 "\\\"}", "assigned-secret"},
	{"--password=P4ssw0rd!x", "assigned-secret"},
	{"AWS_SECRET_ACCESS_KEY=" A36 "Qw/8", "assigned-secret"},
	{"access-token = '" A20 "'", "assigned-secret"},
	{"passphrase: Tr0ub4dor&3", "assigned-secret"},
	{"api_key=" HEX32, "assigned-secret"},
	{"spring.datasource.password=" A20, "assigned-secret"},
	{"AccountKey=" A64 "Qw8Er2Ty6Ui4Op9As3Df==;", "assigned-secret"},
	{"wpa-psk=" A20, "assigned-secret"},
	/* headers and URLs */
	{"Authorization: Bearer " A36, "bearer-token"},
	{"-H 'authorization: bearer " A20 "'", "bearer-token"},
	{"Authorization: Basic YWxpY2U6czNjcmV0UGFzcw==", "basic-credentials"},
	{"postgres://app:" A20 "@db:5432/x", "url-password"},
	{"https://x:hunter22@git.corp/r.git", "url-password"},
	{"amqp://guest:p%40ss@mq/", "url-password"},
	/* hashes */
	{"alice:$6$rounds=5000$saltsalt$" A64 "Qw8Er2Ty6Ui4Op9As3Df7.:19000:0", "password-hash"},
	{"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
	 "password-hash"},
	{"bob:$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "password-hash"},
	{"x:$apr1$5I2qYqZg$Nk3Vq9ZtB7wXe2LmPc8Rd1", "password-hash"},
	{"$argon2id$v=19$m=65536,t=2,p=1$gZiV/M1gPc22ElAH$" A36, "password-hash"},
	/* keys */
	{BEGIN_KEY "RSA PRIVATE KEY-----\n" B64 "\n" END_KEY, "private-key"},
	{BEGIN_KEY "OPENSSH PRIVATE KEY-----\\n" B64 "\\n", "private-key"},
	{BEGIN_KEY "EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
		   "0123456789ABCDEF\n\n" B64 "\n",
	 "private-key"},
	{BEGIN_KEY "PGP PRIVATE KEY BLOCK-----\n\n" B64 "\n", "private-key"},
	/* what the redactor leaves */
	{"db_password=[redacted:password]", NULL},
	{"Authorization: Bearer [redacted:bearer]", NULL},
	{"postgres://app:[redacted:url]@db:5432/x", NULL},
	{"token gh"
	 "p_[redacted:github]",
	 NULL},
	{"alice:[redacted:hash]:19000:0", NULL},
	{BEGIN_KEY "RSA PRIVATE KEY-----\n[redacted:private-key]\n" END_KEY, NULL},
	{"[withheld: redaction failed]", NULL},
	{"prefix[redacted:x]password=[redacted:y]", NULL},
	/* what is none */
	{"password=", NULL},
	{"password=********", NULL},
	{"password=${DB_PASSWORD}", NULL},
	{"password=$(cat /run/secrets/Db1)", NULL},
	{"password: /etc/Ssl/Private1", NULL},
	{"password_file=/etc/Ssl/Private1", NULL},
	{"secret: true", NULL},
	{"private_key: ed25519.Ed25519PrivateKey,", NULL},
	{"PasswordAuthentication yes", NULL},
	{"password requisite pam_pwquality.so retry=3", NULL},
	{"password [success=1 default=ignore] pam_unix.so obscure yescrypt", NULL},
	{"secret_backend_timeout=30s", NULL},
	{"api_key = os.environ[\"API_KEY_1\"]", NULL},
	{"client_secret = getSecret(\"Abc1\")", NULL},
	{"secret: default-token-x7k2p", NULL},
	{"token=" A20, NULL},
	{"next_page_token: " A20, NULL},
	{"password: changeme1A!", NULL},
	{"password=<Your1Password>", NULL},
	{"password=https://vault.corp/V1", NULL},
	{"commit " HEX40, NULL},
	{"sha256:" HEX64, NULL},
	{"api_key_sha: " HEX40, NULL},
	{"uuid=550e8400-e29b-41d4-a716-446655440000", NULL},
	{"http://host:8080/path@2x.png", NULL},
	{"git@host:group/repo.git", NULL},
	{"ssh://git@host:22/repo", NULL},
	{"mongodb://user:password@host/", NULL},
	{"proto://user:<password>@host/", NULL},
	{"https://user:$PASS@host/", NULL},
	{"Basic authentication failed for", NULL},
	{"Bearer token missing", NULL},
	{"a bearer of bad news 12", NULL},
	{BEGIN_KEY "CERTIFICATE-----\n" B64 "\n", NULL},
	{BEGIN_KEY "PUBLIC KEY-----\n" B64 "\n", NULL},
	{"expected: " BEGIN_KEY "PRIVATE KEY-----", NULL},
	{"AKIAIOSFODNN7EXAMPLE", NULL},
	{"xAK"
	 "IAQ3EGB7PJXN2L5RTC",
	 NULL},
	{"AK"
	 "IAQ3EGB7PJXN2L5RTCQQQQ",
	 NULL},
	{"gh"
	 "p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	 NULL},
	{"gh"
	 "p_short",
	 NULL},
	{"npm_config_cache=/root/.npm", NULL},
	{"sk-learn", NULL},
	{"costs $1$2$3", NULL},
	{"x:$6$salt$short:1", NULL},
	{"root:*:19000:0:99999:7:::", NULL},
	{"eyJhbGciOiJIUzI1NiJ9", NULL},
	{"dapiserver", NULL},
	{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" A36 " x", NULL},
	{"MIIB" B64, NULL},
};

static const char *kind_of(const char *text, size_t piece)
{
	static char kind[64];
	tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
	const struct tl_rescan_hit *hits;
	size_t count, len = strlen(text);

	assert_int_equal(tl_rescan_new(&rescan, NULL), 0);
	tl_rescan_begin(rescan, "root/etc/x");
	for (size_t at = 0; at < len; at += piece)
		tl_rescan_feed(rescan, text + at, len - at < piece ? len - at : piece);
	tl_rescan_end(rescan);
	hits = tl_rescan_hits(rescan, &count);
	snprintf(kind, sizeof kind, "%s", count ? hits[0].kind : "");
	return kind;
}

static unsigned count_wrong(size_t piece)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		const char *expected = rows[i].kind ? rows[i].kind : "";
		const char *kind = kind_of(rows[i].text, piece);

		if (!tl_streq(kind, expected)) {
			print_error("\"%s\" is \"%s\", not \"%s\"\n", rows[i].text, kind, expected);
			wrong++;
		}
	}
	return wrong;
}

static void each_row_is_what_it_is(void **state TL_UNUSED)
{
	assert_int_equal(count_wrong(SIZE_MAX / 2), 0);
}

static void pieces_do_not_matter(void **state TL_UNUSED)
{
	assert_int_equal(count_wrong(1), 0);
	assert_int_equal(count_wrong(7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_what_it_is),
		cmocka_unit_test(pieces_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
