#include <string.h>

#include "rescan/rules.h"

#define TOKEN_MAX 4096

/* A vendor's tokens: a mark, then `min` to `max` characters of a set, and no more of them. */
static const struct token {
	const char *mark;
	const char *kind;
	unsigned set;
	size_t min, max;
} tokens[] = {
	{"AGE-SECRET-KEY-1", "age-key", BYTE_UPPER | BYTE_DIGIT, 58, 58},
	{"AIza", "google-key", BYTE_ALNUM | BYTE_DASH, 35, 35},
	{"AKCp", "artifactory-key", BYTE_ALNUM, 60, 80},
	{"AKIA", "aws-key", BYTE_UPPER | BYTE_DIGIT, 16, 16},
	{"ASIA", "aws-key", BYTE_UPPER | BYTE_DIGIT, 16, 16},
	{"ATATT3", "atlassian-token", BYTE_ALNUM | BYTE_DASH | BYTE_BASE64, 100, 300},
	{"ATBB", "bitbucket-token", BYTE_ALNUM, 32, 32},
	{"GOCSPX-", "google-secret", BYTE_ALNUM | BYTE_DASH, 28, 28},
	{"NRAK-", "newrelic-key", BYTE_UPPER | BYTE_DIGIT, 27, 27},
	{"PMAK-", "postman-key", BYTE_HEX | BYTE_DASH, 59, 59},
	{"SG.", "sendgrid-key", BYTE_ALNUM | BYTE_DASH | BYTE_DOT, 66, 66},
	{"SK", "twilio-key", BYTE_HEX, 32, 32},
	{"dapi", "databricks-token", BYTE_HEX, 32, 32},
	{"dckr_pat_", "docker-token", BYTE_ALNUM | BYTE_DASH, 27, 40},
	{"doo_v1_", "digitalocean-token", BYTE_HEX, 64, 64},
	{"dop_v1_", "digitalocean-token", BYTE_HEX, 64, 64},
	{"dor_v1_", "digitalocean-token", BYTE_HEX, 64, 64},
	{"dp.pt.", "doppler-token", BYTE_ALNUM, 43, 43},
	{"dt0c01.", "dynatrace-token", BYTE_UPPER | BYTE_DIGIT | BYTE_DOT, 89, 89},
	{"figd_", "figma-token", BYTE_ALNUM | BYTE_DASH, 40, 60},
	{"fo1_", "fly-token", BYTE_ALNUM | BYTE_DASH, 43, 43},
	{"gho_", "github-token", BYTE_ALNUM, 36, 255},
	{"ghp_", "github-token", BYTE_ALNUM, 36, 255},
	{"ghr_", "github-token", BYTE_ALNUM, 36, 255},
	{"ghs_", "github-token", BYTE_ALNUM, 36, 255},
	{"ghu_", "github-token", BYTE_ALNUM, 36, 255},
	{"github_pat_", "github-token", BYTE_ALNUM | BYTE_DASH, 82, 255},
	{"glc_", "grafana-token", BYTE_ALNUM | BYTE_BASE64, 32, 400},
	{"glcbt-", "gitlab-token", BYTE_ALNUM | BYTE_DASH, 20, 64},
	{"gldt-", "gitlab-token", BYTE_ALNUM | BYTE_DASH, 20, 64},
	{"glpat-", "gitlab-token", BYTE_ALNUM | BYTE_DASH, 20, 64},
	{"glrt-", "gitlab-token", BYTE_ALNUM | BYTE_DASH, 20, 64},
	{"glsa_", "grafana-token", BYTE_ALNUM | BYTE_DASH, 41, 41},
	{"hf_", "huggingface-token", BYTE_ALNUM, 34, 40},
	{"hvb.", "vault-token", BYTE_ALNUM | BYTE_DASH, 90, 400},
	{"hvs.", "vault-token", BYTE_ALNUM | BYTE_DASH, 24, 400},
	{"lin_api_", "linear-key", BYTE_ALNUM, 40, 40},
	{"npm_", "npm-token", BYTE_ALNUM, 36, 36},
	{"ntn_", "notion-token", BYTE_ALNUM, 43, 50},
	{"pscale_pw_", "planetscale-password", BYTE_ALNUM | BYTE_DASH | BYTE_DOT, 32, 64},
	{"pscale_tkn_", "planetscale-token", BYTE_ALNUM | BYTE_DASH | BYTE_DOT, 32, 64},
	{"pul-", "pulumi-token", BYTE_HEX, 40, 40},
	{"pypi-AgE", "pypi-token", BYTE_ALNUM | BYTE_DASH, 50, 1000},
	{"rk_live_", "stripe-key", BYTE_ALNUM, 24, 255},
	{"rubygems_", "rubygems-key", BYTE_HEX, 48, 48},
	{"shpat_", "shopify-token", BYTE_HEX, 32, 32},
	{"shpca_", "shopify-token", BYTE_HEX, 32, 32},
	{"shppa_", "shopify-token", BYTE_HEX, 32, 32},
	{"shpss_", "shopify-secret", BYTE_HEX, 32, 32},
	{"sk-ant-", "anthropic-key", BYTE_ALNUM | BYTE_DASH, 80, 255},
	{"sk-proj-", "openai-key", BYTE_ALNUM | BYTE_DASH, 40, 255},
	{"sk_live_", "stripe-key", BYTE_ALNUM, 24, 255},
	{"sntrys_", "sentry-token", BYTE_ALNUM | BYTE_DASH | BYTE_BASE64, 60, 500},
	{"sntryu_", "sentry-token", BYTE_HEX, 64, 64},
	{"sq0csp-", "square-secret", BYTE_ALNUM | BYTE_DASH, 43, 43},
	{"whsec_", "stripe-secret", BYTE_ALNUM | BYTE_BASE64, 32, 64},
	{"xapp-", "slack-token", BYTE_ALNUM | BYTE_DASH, 40, 255},
	{"xoxa-", "slack-token", BYTE_ALNUM | BYTE_DASH, 20, 255},
	{"xoxb-", "slack-token", BYTE_ALNUM | BYTE_DASH, 20, 255},
	{"xoxe.", "slack-token", BYTE_ALNUM | BYTE_DASH | BYTE_DOT, 40, 255},
	{"xoxp-", "slack-token", BYTE_ALNUM | BYTE_DASH, 20, 255},
	{"xoxr-", "slack-token", BYTE_ALNUM | BYTE_DASH, 20, 255},
	{"xoxs-", "slack-token", BYTE_ALNUM | BYTE_DASH, 20, 255},
	{"ya29.", "google-token", BYTE_ALNUM | BYTE_DASH, 30, 2000},
};

/* eyJ….eyJ….signature (RFC 7519): two JSON objects in base64url and what signs them. */
static const char *json_web_token(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	size_t end = at, len;

	for (unsigned part = 0; part < 3; part++) {
		if (part < 2 && (rescan_at(text, end) != 'e' || rescan_at(text, end + 1) != 'y' ||
				 rescan_at(text, end + 2) != 'J'))
			return NULL;
		len = rescan_run(text, end, BYTE_ALNUM | BYTE_DASH, TOKEN_MAX);
		end += len;
		if (len < 10 || (part < 2 && rescan_at(text, end++) != '.'))
			return NULL;
	}
	*ret_end = end;
	return "json-web-token";
}

static bool matches(const struct rescan_text *text, size_t at, const struct token *token,
		    size_t *ret_end)
{
	size_t mark = strlen(token->mark), begin = at + mark, len;

	if (text->len - at < mark + token->min || memcmp(text->bytes + at, token->mark, mark) != 0)
		return false;
	len = rescan_run(text, begin, token->set, token->max + 1);
	if (len < token->min || len > token->max ||
	    rescan_is(rescan_at(text, begin + len), BYTE_ALNUM) ||
	    rescan_entropy(text->bytes + begin, len) < 250)
		return false;
	/* The vendors' own examples say so. */
	if (memmem(text->bytes + begin, len, "EXAMPLE", 7) ||
	    memmem(text->bytes + begin, len, "example", 7))
		return false;
	*ret_end = begin + len;
	return true;
}

const char *rescan_token(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	size_t low = 0, high = sizeof tokens / sizeof *tokens;
	unsigned char first = rescan_at(text, at);

	if (first == 'e')
		return json_web_token(text, at, ret_end);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((unsigned char)tokens[middle].mark[0] < first)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < sizeof tokens / sizeof *tokens; low++) {
		const struct token *token = &tokens[low];

		if ((unsigned char)token->mark[0] != first)
			break;
		if (matches(text, at, token, ret_end))
			return token->kind;
	}
	return NULL;
}

static void set_start(uint8_t starts[static RESCAN_STARTS], const char *mark)
{
	unsigned from = (unsigned char)mark[2], to = mark[2] ? from : UINT8_MAX;

	for (unsigned third = from; third <= to; third++) {
		unsigned start = rescan_start((unsigned char)mark[0], (unsigned char)mark[1],
					      (unsigned char)third);

		starts[start / 8] |= (uint8_t)(1 << start % 8);
	}
}

void rescan_token_starts(uint8_t ret_starts[static RESCAN_STARTS])
{
	memset(ret_starts, 0, RESCAN_STARTS);
	set_start(ret_starts, "eyJ");
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		set_start(ret_starts, tokens[i].mark);
}
