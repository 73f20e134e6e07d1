/* Our own rules. A row says what a secret looks like where it stands, never what it may not look like
 * elsewhere: a value that is redacted already, a switch (true, null) or a type keyword is passed over. */
#include "redact/redact.h"

/* Words that name a secret when they END a key: "db_password", "apiKey", "client-secret". The key's
 * beginning is not matched at all, so that a long word costs nothing. */
#define WORDS \
	"(?:password|(?<!/)passwd|(?<![a-z])pass|pass[_-]?(?:phrase|code|key)" \
	"|(?<![a-z])pwd(?![ \\t]{0,8}[=:][ " \
	"\\t]{0,8}[\"']?/)|secret|secret[_-]?(?:key|id|token|value)" \
	"|token|api[_-]?(?:key|secret|token)|(?:private|access|auth|account|shared|pre[_-]?shared" \
	"|encryption|signing|master|service|storage|deploy|license|host|session|consumer|" \
	"subscription)" \
	"[_-]?key|access[_-]?key[_-]?id|secret[_-]?access[_-]?key|shared[_-]?access[_-]?signature" \
	"|credentials?|(?<![a-z])psk|session[_-]?id|client[_-]?secret|auth[_-]?data|bind[_-]?pw" \
	"|root[_-]?pw|user[_-]?pw|pin[_-]?code|one[_-]?time[_-]?code|otp[_-]?seed|keytab[_-]?" \
	"data)"
#define WORD_KEYS \
	"passw pass pwd secret token apikey api_key api-key api_token api-token key credential " \
	"psk " \
	"session authdata auth_data auth-data bindpw bind_pw bind-pw rootpw rootpw root_pw " \
	"userpw " \
	"user_pw pincode pin_code pin-code one_time_code otp"

/* What a value is not. */
#define NOT_DONE "(?!\\[(?:redacted|withheld):)"
#define NOT_SWITCH \
	"(?!(?:null|true|false|none|nil|yes|no|on|off|undefined|required|optional|sufficient" \
	"|\\*+|x+)(?:[\\s,;}\\])\"']|\\z))"
/* passwd: as nsswitch.conf has it. */
#define NOT_NSS "(?!(?:files|compat|db|nis|nisplus|sss|systemd|ldap|winbind|extrausers)(?:\\s|\\z))"
#define SEPARATOR "(?:=>|:=|==?|:)"

/* A value without quotes. */
#define BARE "((?:\\\\\\\\|\\\\(?![\"'])|[^\\s\"'\\\\])++)"
/* A value in whichever quoting it stands; group 1 in each branch. No branch needs the closing quote.
 * A quote that a word follows at once does not end the value: shells join such parts, and the value
 * may hold the quote that another's missing one left open. */
#define VALUE \
	NOT_DONE NOT_SWITCH NOT_NSS \
		"(?|\"" NOT_DONE NOT_SWITCH "((?:[^\"\\\\]|\\\\.|\"(?=[\\w$@#%!./+-]))++)" \
		"|\\\\\"" NOT_DONE NOT_SWITCH \
		"((?:[^\"\\\\]|\\\\[^\"]|\\\\?\"(?=[\\w$@#%!./+-]))++)" \
		"|'" NOT_DONE NOT_SWITCH "((?:[^'\\\\]|\\\\.|'(?=[\\w$@#%!./+-]))++)" \
		"|(?![\\[{(](?:[\\s\"'\\]})]|\\z))" BARE ")"

const struct tl_redact_rule tl_redact_builtin[] = {
	{"private-key", "private", "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
	 "-----END"},
	{"authorization", "authorization",
	 "authorization\\\\*[\"']?\\s{0,8}[:=]\\s{0,8}+(?|\\\\*[\"']" NOT_DONE
	 "([^\"'\\\\]+)|" NOT_DONE "(digest\\s[^\\r\\n]+)|" NOT_DONE "([^\\r\\n\"'\\\\]+))"},
	{"bearer", "bearer", "\\bbearer\\s{1,8}+" NOT_DONE "([a-z0-9._~+/=-]{12,})"},
	{"basic", "basic", "\\bbasic\\s{1,4}(?=[a-z+/]*[0-9=])([a-z0-9+/]{12,}={0,2})"},
	{"url-password", "://",
	 "://[^\\s/?#:@\"'<>\\\\]{0,256}:" NOT_DONE "([^\\s/\"'<>]{1,512})@"},
	{"url-token", "://", "://([a-z0-9_-]{20,512})@"},
	{"cookie", "cookie",
	 "cookie2?\\\\*[\"']?\\s{0,8}[:=]\\s{0,8}+(?|\\\\*[\"']" NOT_DONE "([^\"'\\\\]+)|" NOT_DONE
	 "([^\\r\\n\"'\\\\]+))"},
	{"assignment-line", WORD_KEYS,
	 "^[ \\t]{0,64}(?:export[ \\t]{1,8})?[\\w.-]{0,80}?" WORDS
	 "[ \\t]{0,32}[=:][ \\t]{1,32}(?![\"'\\\\])" NOT_DONE NOT_SWITCH NOT_NSS
	 "([^\\s\"'\\[{(][^\\r\\n\"']*[^\\s\"'])"},
	{"assignment", WORD_KEYS,
	 WORDS "\\\\{0,4}[\"']?\\]?[ \\t]{0,16}" SEPARATOR "[ \\t]{0,32}" VALUE},
	{"xml-element", WORD_KEYS,
	 WORDS "(?:\\s[^<>]{0,256})?>" NOT_DONE NOT_SWITCH "([^<>\\s][^<>]*)"},
	{"xml-attribute", WORD_KEYS,
	 WORDS "[\"']\\s{1,8}value\\s{0,4}=\\s{0,4}[\"']" NOT_DONE "([^\"']+)"},
	{"argument", WORD_KEYS,
	 "(?<![\\w-])--?(?:[a-z0-9]{1,24}[_-]){0,4}" WORDS "[\\s\\x00]{1,4}(?!-)" NOT_DONE
	 "[\"']?([^\\s\\x00\"']+)"},
	{"argument-mysql", "mysql mariadb sshpass",
	 "\\b(?:mysql|mariadb|sshpass)[a-z_-]{0,24}[\\s\\x00](?:|[^\\r\\n]{0,512}?[\\s\\x00])-p["
	 "\\x00 "
	 "]{0,1}" NOT_DONE "[\"']?(?!\\s)([^\\s\\x00\"']+)"},
	{"argument-user", "curl wget http",
	 "\\bcurl[\\s\\x00](?:|[^\\r\\n]{0,512}?[\\s\\x00])(?:-u|--user|--proxy-user)[\\s\\x00=]{"
	 "0,2}"
	 "[\"']?[^\\s:\\x00\"']{1,128}:" NOT_DONE "([^\\s\\x00\"']+)"},
	{"argument-ldap", "ldap",
	 "\\bldap[a-z]{3,12}[\\s\\x00](?:|[^\\r\\n]{0,512}?[\\s\\x00])-w[\\s\\x00]{0,2}" NOT_DONE
	 "[\"']?([^\\s\\x00\"']+)"},
	{"argument-redis", "redis-cli",
	 "\\bredis-cli[\\s\\x00](?:|[^\\r\\n]{0,512}?[\\s\\x00])-a[\\s\\x00]{1,2}" NOT_DONE
	 "[\"']?([^\\s\\x00\"']+)"},
	{"netrc", "machine login",
	 "\\blogin\\s{1,8}[^\\s]{1,128}\\s{1,8}password\\s{1,8}+" NOT_DONE "(\\S+)"},
	{"password-hash",
	 "$1$ $2a$ $2b$ $2x$ $2y$ $5$ $6$ $7$ $y$ $gy$ $apr1$ $argon2 $pbkdf2 $scrypt",
	 "(\\$(?:1|2[abxy]|5|6|7|g?y|apr1|argon2i?d?|pbkdf2[a-z0-9-]{0,16}|scrypt)\\$"
	 "[./a-z0-9$=,+_-]{8,})"},
	{"password-hash-ldap", "sha} sha256} sha384} sha512} smd5} {crypt}",
	 "\\{(?:s?sha(?:256|384|512)?|smd5|crypt)\\}([a-z0-9+/=.$]{12,})"},
	{"password-hash-des", ":0: :99999:",
	 "^[^:\\s]{1,64}:([^:\\s*!]{13,256}):[0-9]{0,6}:[0-9]{0,6}:[0-9]{0,6}:[0-9]{0,6}:"},
	{"jwt", "eyj", "\\b(eyJ[a-z0-9_-]{8,}\\.[a-z0-9_-]+(?:\\.[a-z0-9_-]*){0,3})"},
	{"aws-key", "akia asia abia acca", "\\b((?-i:AKIA|ASIA|ABIA|ACCA)(?-i:[A-Z2-7]{16}))\\b"},
	{"github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
	 "(gh[pousr]_[a-z0-9]{20,}|github_pat_[a-z0-9_]{20,})"},
	{"gitlab-token", "glpat- glptt- gldt- glrt- glsoat- glcbt- glimt- glagent- gloas- glft-",
	 "(gl(?:pat|ptt|dt|rt|soat|cbt|imt|agent|oas|ft)-[a-z0-9_.-]{16,})"},
	{"slack-token", "xoxa- xoxb- xoxp- xoxr- xoxs- xoxe xapp- hooks.slack.com",
	 "(xox[abeprs][a-z0-9.-]*-[a-z0-9-]{10,}|xapp-[0-9]-[a-z0-9-]{10,}"
	 "|(?<=hooks\\.slack\\.com/services/)[a-z0-9/]{16,})"},
	{"google-key", "aiza gocspx- ya29.",
	 "(AIza[a-z0-9_-]{30,}|GOCSPX-[a-z0-9_-]{20,}|ya29\\.[a-z0-9_-]{20,})"},
	{"stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ whsec_",
	 "((?:sk|rk|pk)_(?:live|test)_[a-z0-9]{10,}|whsec_[a-z0-9+/=]{16,})"},
	{"vendor-token",
	 "npm_ pypi-age dop_v1_ doo_v1_ sg. sk-ant- sk-proj- sk- hf_ tskey- shpat_ shpss_ sq0csp- "
	 "sq0atp- "
	 "age-secret-key- hvs. hvb. dckr_pat_ rubygems_ lin_api_ nrak- ntn_ atatt3 pul- eaac figd_ "
	 "xkeysib- glsa_ tfp_ dapi sgp_ r8_",
	 "(?<![a-z0-9])(npm_[a-z0-9]{30,}|pypi-AgE[a-z0-9_-]{30,}|do[or]_v1_[a-f0-9]{40,}|dop_v1_["
	 "a-f0-9]{40,}"
	 "|SG\\.[a-z0-9_-]{16,}\\.[a-z0-9_-]{16,}|sk-(?:ant|proj|svcacct)-[a-z0-9_-]{20,}"
	 "|sk-[a-z0-9]{32,}|hf_[a-z0-9]{30,}|tskey-[a-z]+-[a-z0-9-]{16,}|shp(?:at|ss)_[a-f0-9]{28,}"
	 "|sq0(?:csp|atp)-[a-z0-9_-]{20,}|AGE-SECRET-KEY-1[a-z0-9]{50,}|hv[sb]\\.[a-z0-9_-]{20,}"
	 "|dckr_pat_[a-z0-9_-]{20,}|rubygems_[a-f0-9]{40,}|lin_api_[a-z0-9]{30,}|NRAK-[a-z0-9]{20,}"
	 "|ntn_[a-z0-9]{30,}|ATATT3[a-z0-9_=-]{30,}|pul-[a-f0-9]{40}|EAAC[a-z0-9]{30,}|figd_[a-z0-"
	 "9_-]{30,}"
	 "|xkeysib-[a-f0-9]{40,}[a-z0-9-]*|glsa_[a-z0-9_]{30,}|tfp_[a-z0-9_]{30,}|dapi[a-f0-9]{32}"
	 "|sgp_[a-f0-9_]{36,}|r8_[a-z0-9]{30,})"},
	{"telegram-token", ":aa", "\\b([0-9]{8,10}:AA[a-z0-9_-]{30,})"},
	{"towline-token", "tlt_ tl1.", "\\b(tlt_[a-z0-9_-]{20,}|tl1\\.[a-z0-9_-]{20,})"},
	{"database-dsn", "@tcp( @unix( jdbc:oracle",
	 "(?|[^\\s:@\"'/]{1,64}:" NOT_DONE "([^\\s\"']{1,256})@(?:tcp|unix)\\("
	 "|jdbc:oracle:[a-z]{2,8}:[^/\\s]{1,64}/" NOT_DONE "([^@\\s]{1,256})@)"},
	{"snmp-community", "community", "\\br[ow]community6?\\s{1,8}+" NOT_DONE "(\\S+)"},
};
const size_t tl_redact_builtin_count = TL_ARRAY_LEN(tl_redact_builtin);
