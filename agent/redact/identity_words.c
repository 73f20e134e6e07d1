#include <string.h>
#include <strings.h>

#include "redact/identity_index.h"

/* All sorted: looked up by halves. */
static const char *const generic[] = {
	"_apt",
	"adm",
	"admin",
	"administrator",
	"alarm",
	"amazon",
	"anonymous",
	"ansible",
	"azureuser",
	"backup",
	"bin",
	"bookworm",
	"builder",
	"bullseye",
	"centos",
	"cloud-user",
	"container",
	"core",
	"daemon",
	"debian",
	"default",
	"demo",
	"deploy",
	"docker",
	"ec2-user",
	"fedora",
	"ftp",
	"games",
	"gdm",
	"git",
	"gitlab-runner",
	"gnats",
	"guest",
	"host",
	"hostname",
	"ip6-allnodes",
	"ip6-allrouters",
	"ip6-localhost",
	"ip6-localnet",
	"ip6-loopback",
	"ip6-mcastprefix",
	"irc",
	"jenkins",
	"kubernetes",
	"linux",
	"linuxbrew",
	"list",
	"live",
	"localhost",
	"localhost.localdomain",
	"localhost4",
	"localhost4.localdomain4",
	"localhost6",
	"localhost6.localdomain6",
	"lost+found",
	"lp",
	"machine",
	"mail",
	"man",
	"messagebus",
	"mysql",
	"news",
	"nfsnobody",
	"nobody",
	"none",
	"opc",
	"oracle",
	"pi",
	"podman",
	"postfix",
	"postgres",
	"proxy",
	"raspberrypi",
	"redhat",
	"redis",
	"rocky",
	"root",
	"runner",
	"server",
	"shutdown",
	"sshd",
	"sync",
	"sys",
	"system",
	"systemd",
	"toor",
	"ubuntu",
	"unknown",
	"user",
	"users",
	"uucp",
	"vagrant",
	"vm",
	"www-data",
};

static const char *const common[] = {
	"access",  "account",  "alert",	     "alias",	"an",	      "api",	   "app",
	"apps",	   "april",    "archive",    "art",	"audio",      "august",	   "auth",
	"auto",	   "base",     "bash",	     "bill",	"block",      "boot",	   "bridge",
	"buffer",  "build",    "cache",	     "chance",	"charge",     "christian", "client",
	"cloud",   "cluster",  "code",	     "config",	"connect",    "console",   "control",
	"cron",	   "daily",    "dash",	     "data",	"database",   "date",	   "db",
	"dean",	   "debug",    "dell",	     "desktop", "dev",	      "develop",   "device",
	"disk",	   "dns",      "domain",     "drew",	"eve",	      "event",	   "exec",
	"export",  "faith",    "file",	     "files",	"filter",     "firewall",  "fox",
	"frank",   "gateway",  "gene",	     "grace",	"grant",      "group",	   "hardware",
	"home",	   "hope",     "iris",	     "jack",	"java",	      "job",	   "june",
	"kernel",  "lance",    "laptop",     "library", "local",      "log",	   "login",
	"logs",	   "mac",      "main",	     "manager", "mark",	      "master",	   "max",
	"may",	   "media",    "memory",     "monitor", "monitoring", "name",	   "network",
	"nginx",   "nick",     "node",	     "node1",	"office",     "old",	   "page",
	"pat",	   "pc",       "peer",	     "person",	"pool",	      "port",	   "power",
	"print",   "prod",     "production", "public",	"rain",	      "ray",	   "remote",
	"rich",	   "rob",      "rose",	     "router",	"run",	      "sandy",	   "scan",
	"script",  "sec",      "service",    "session", "share",      "shared",	   "shell",
	"sky",	   "software", "source",     "stage",	"staging",    "state",	   "status",
	"storage", "sue",      "summer",     "support", "target",     "temp",	   "terminal",
	"test",	   "testing",  "thread",     "time",	"tmp",	      "tools",	   "tree",
	"usr",	   "video",    "virtual",    "vpn",	"wade",	      "ward",	   "web",
	"will",	   "windows",  "work",	     "worker",	"www",
};

/* What stands right before a user's name, or a host's. */
static const char *const before_user[] = {
	"/home/",    "/users/",	       "user=",		"user ",     "user: ", "user:",
	"username=", "logname=",       "acct=\"",	"auid=\"",   "uid=\"", "ruser=",
	"owner=",    "owner: ",	       "login ",	"for user ", "mail/",  "crontabs/",
	"linger/",   "publickey for ", "password for ", NULL};
static const char *const before_host[] = {
	"host=", "host ", "hostname=", "hostname ",	    "hostname: ", "nodename=", "node ",
	"node=", "://",	  "rhost=",    "static hostname: ", "machine=",	  NULL};

static const struct pseudonym_shape {
	const char *prefix;
	size_t digits;
} shapes[] = {{"host-", 8}, {"user-", 6}, {"name-", 6}, {"domain-", 6}, {"site-", 6}};

static int compare_word(const char *text, size_t len, const char *word)
{
	int order = strncasecmp(text, word, len);

	return order ? order : -(word[len] != 0);
}

static bool is_listed(const char *text, size_t len, const char *const *list, size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare_word(text, len, list[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

bool identity_is_generic(const char *name, size_t len)
{
	return is_listed(name, len, generic, sizeof generic / sizeof *generic);
}

bool identity_is_common(const char *name, size_t len)
{
	return len < 3 || is_listed(name, len, common, sizeof common / sizeof *common);
}

static bool is_behind(const struct identity_text *text, size_t at, const char *const *list)
{
	for (; *list; list++)
		if (at >= strlen(*list) && text_has(text, at - strlen(*list), *list))
			return true;
	return false;
}

/* "Jan  1 00:00:00 web sshd[1]: ", "2026-01-01T00:00:00.5+01:00 web sshd[1]: " */
static bool is_behind_time(const struct identity_text *text, size_t at)
{
	size_t start = at - 1;

	if (at == 0 || text_at(text, at - 1) != ' ')
		return false;
	while (at - start < 16 &&
	       (is_digit(text_at(text, start - 1)) || is_one_of(text_at(text, start - 1), ":.+Z")))
		start--;
	return at - start > 5 && memchr(text->bytes + start, ':', at - start) != NULL;
}

bool identity_in_context(const struct identity_text *text, size_t at, size_t end,
			 enum identity_kind kind)
{
	bool first = at == 0 || text_at(text, at - 1) == '\n';

	if (kind == NAME_HOST)
		return text_at(text, at - 1) == '@' || is_behind_time(text, at) ||
		       is_behind(text, at, before_host);
	return text_at(text, end) == '@' || is_behind(text, at, before_user) ||
	       (first && is_one_of(text_at(text, end), " :\t"));
}

size_t identity_pseudonym_len(const struct identity_text *text, size_t at)
{
	if (!is_one_of(lower(text_at(text, at)), "hunds"))
		return 0;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		size_t begin = at + strlen(shapes[i].prefix), end = begin;

		if (!text_has(text, at, shapes[i].prefix))
			continue;
		while (is_digit(text_at(text, end)) || is_letter(text_at(text, end)))
			end++;
		if (end - begin == shapes[i].digits)
			return end - at;
	}
	return 0;
}
