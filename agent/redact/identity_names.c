#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <towline/fs.h>
#include <towline/yaml.h>

#include "redact/identity_address.h"
#include "redact/identity_index.h"

#define FILE_MAX (4 * 1024 * 1024)
#define UID_FIRST 1000 /* of people: login.defs(5) of every distribution */
#define UID_LAST 60000
#define PERSON_MIN 5 /* bytes of a full name, with a blank in it */
#define LIST_MAX 5000
#define BLANKS " \t\r"

/* Search domains that say nothing of the site. */
static const char *const plain_domains[] = {"local",	 "localdomain", "lan",	   "home",
					    "internal",	 "intranet",	"corp",	   "private",
					    "home.arpa", "localhost",	"invalid", "example",
					    NULL};

typedef int each_line(char *line, struct tl_identity_names *names);

void tl_identity_names_clear(struct tl_identity_names *names)
{
	tl_strv_clear(&names->hosts);
	tl_strv_clear(&names->domains);
	tl_strv_clear(&names->users);
	tl_strv_clear(&names->persons);
	tl_strv_clear(&names->keywords);
	tl_strv_clear(&names->keep);
}

static int add(struct tl_strv *list, const char *text)
{
	return list->count >= LIST_MAX || !*text || tl_strv_has(list, text)
		       ? 0
		       : tl_strv_push(list, text);
}

static unsigned count_dots(const char *text)
{
	unsigned dots = 0;

	for (; *text; text++)
		dots += *text == '.';
	return dots;
}

/* A domain, and those it is part of down to two labels. */
static int add_domain(struct tl_identity_names *names, const char *domain)
{
	int r = 0;

	while (*domain == '.')
		domain++;
	for (size_t i = 0; plain_domains[i]; i++)
		if (strcasecmp(domain, plain_domains[i]) == 0)
			return 0;
	for (; r == 0 && domain; domain = strchr(domain, '.') + 1) {
		const char *dot = strchr(domain, '.');

		r = add(&names->domains, domain);
		/* "co.uk" and the like belong to nobody. */
		if (count_dots(domain) < 2 ||
		    (count_dots(domain) == 2 && strlen(strrchr(domain, '.')) == 3 &&
		     strlen(dot + 1) <= 6))
			break;
	}
	return r;
}

/* `trusted`: an address of a network of one's own, so that the first label alone is known there. */
static int add_host(struct tl_identity_names *names, const char *host, bool trusted)
{
	const char *dot = strchr(host, '.');
	char label[64];
	int r = add(&names->hosts, host);

	if (!dot || !trusted || dot == host || (size_t)(dot - host) >= sizeof label)
		return r;
	memcpy(label, host, (size_t)(dot - host));
	label[dot - host] = '\0';
	if (r == 0)
		r = add(&names->hosts, label);
	return r < 0 ? r : add_domain(names, dot + 1);
}

static bool is_own(const char *address)
{
	struct identity_address parsed;
	size_t len = strlen(address);

	if (identity_v4_read(address, len, &parsed))
		return parsed.bytes[0] == 10 || parsed.bytes[0] == 127 ||
		       (parsed.bytes[0] == 172 && (parsed.bytes[1] & 0xf0) == 16) ||
		       (parsed.bytes[0] == 192 && parsed.bytes[1] == 168) ||
		       (parsed.bytes[0] == 100 && (parsed.bytes[1] & 0xc0) == 64);
	return identity_v6_read(address, len, &parsed) &&
	       ((parsed.bytes[0] & 0xfe) == 0xfc || parsed.bytes[0] == 0xfe);
}

/* hosts(5). Lists of names to block point them to nowhere. */
static int hosts_line(char *line, struct tl_identity_names *names)
{
	static const char *const nowhere[] = {"0.0.0.0", "127.0.0.1", "::1", "::", NULL};
	char *rest, *address = strtok_r(line, BLANKS, &rest);
	int r = 0;

	if (!address || *address == '#')
		return 0;
	for (size_t i = 0; nowhere[i]; i++)
		if (tl_streq(address, nowhere[i]))
			return 0;
	for (char *name = strtok_r(NULL, BLANKS, &rest); r == 0 && name && *name != '#';
	     name = strtok_r(NULL, BLANKS, &rest))
		r = add_host(names, name, is_own(address));
	return r;
}

/* resolv.conf(5) */
static int resolv_line(char *line, struct tl_identity_names *names)
{
	char *rest, *word = strtok_r(line, BLANKS, &rest);
	int r = 0;

	if (!tl_streq(word, "search") && !tl_streq(word, "domain"))
		return 0;
	while (r == 0 && (word = strtok_r(NULL, BLANKS, &rest)))
		r = add_domain(names, word);
	return r;
}

/* krb5.conf(5): the realm is the domain's name in capitals. */
static int kerberos_line(char *line, struct tl_identity_names *names)
{
	char *rest, *word = strtok_r(line, BLANKS "=", &rest);

	if (!tl_streq(word, "default_realm"))
		return 0;
	word = strtok_r(NULL, BLANKS "=", &rest);
	return word ? add_domain(names, word) : 0;
}

static int hostname_line(char *line, struct tl_identity_names *names)
{
	char *rest, *word = strtok_r(line, BLANKS, &rest);

	return word && *word != '#' ? add_host(names, word, true) : 0;
}

/* passwd(5): name, password, UID, GID, comment, home, shell. */
static int passwd_line(char *line, struct tl_identity_names *names)
{
	char *fields[7] = {line};
	uint64_t uid;
	int r;

	for (size_t i = 1; i < TL_ARRAY_LEN(fields); i++) {
		char *colon = strchr(fields[i - 1], ':');

		if (!colon)
			return 0;
		*colon = '\0';
		fields[i] = colon + 1;
	}
	if (tl_str_u64(fields[2], UINT32_MAX, &uid) < 0 || uid < UID_FIRST ||
	    (uid > UID_LAST && uid < 100000) || uid == UINT32_MAX)
		return 0;
	r = add(&names->users, fields[0]);
	fields[4][strcspn(fields[4], ",")] = '\0';
	if (r == 0 && strlen(fields[4]) >= PERSON_MIN && strchr(fields[4], ' '))
		r = add(&names->persons, fields[4]);
	return r;
}

static int read_lines(const char *root, const char *path, each_line *take,
		      struct tl_identity_names *names)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	char name[PATH_MAX], *rest = NULL;
	int r = 0;

	if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name ||
	    tl_fs_read_file(AT_FDCWD, name, &text, NULL) < 0 || text.len == 0)
		return 0;
	for (char *line = strtok_r(text.data, "\n", &rest); r == 0 && line;
	     line = strtok_r(NULL, "\n", &rest))
		r = take(line, names);
	return r;
}

static int read_homes(const char *root, struct tl_identity_names *names)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (snprintf(path, sizeof path, "%s/home", root) >= (int)sizeof path ||
	    !(dir = opendir(path)))
		return 0;
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = add(&names->users, entry->d_name);
	closedir(dir);
	return r;
}

int tl_identity_names_of_host(const char *root, struct tl_identity_names *names, struct tl_err *err)
{
	static const struct {
		const char *path;
		each_line *take;
	} files[] = {
		{"/etc/hostname", hostname_line},  {"/etc/hosts", hosts_line},
		{"/etc/resolv.conf", resolv_line}, {"/etc/krb5.conf", kerberos_line},
		{"/etc/passwd", passwd_line},
	};
	char host[HOST_NAME_MAX + 1] = "";
	int r = 0;

	if (!*root && gethostname(host, sizeof host - 1) == 0)
		r = hostname_line(host, names);
	for (size_t i = 0; r == 0 && i < TL_ARRAY_LEN(files); i++)
		r = read_lines(root, files[i].path, files[i].take, names);
	if (r == 0)
		r = read_homes(root, names);
	return r < 0 ? tl_err_set(err, r, "out of memory for the names of this host") : 0;
}

struct site {
	const struct tl_yaml_node *hosts, *domains, *users, *persons, *keywords, *keep;
};

static const struct tl_yaml_member site_members[] = {
	{"hosts", TL_YAML_TEXTS, false, offsetof(struct site, hosts), 0, LIST_MAX},
	{"domains", TL_YAML_TEXTS, false, offsetof(struct site, domains), 0, LIST_MAX},
	{"users", TL_YAML_TEXTS, false, offsetof(struct site, users), 0, LIST_MAX},
	{"persons", TL_YAML_TEXTS, false, offsetof(struct site, persons), 0, LIST_MAX},
	{"keywords", TL_YAML_TEXTS, false, offsetof(struct site, keywords), 0, 256},
	{"keep", TL_YAML_TEXTS, false, offsetof(struct site, keep), 0, LIST_MAX},
};

/* A name that could not be found is a fault of the file: it would go out as it is. */
static int add_texts(const struct tl_yaml *yaml, const struct tl_yaml_node *list,
		     struct tl_strv *out, struct tl_err *err)
{
	const struct tl_yaml_node *item = list ? list->first : NULL;
	int r = 0;

	for (; r == 0 && item; item = item->next) {
		if (strlen(item->text) < 2 || strlen(item->text) > IDENTITY_NAME_MAX ||
		    !is_word((unsigned char)item->text[0]))
			return tl_yaml_fail(yaml, item, err,
					    "a name has 2 to %d bytes and begins with a letter or "
					    "digit",
					    IDENTITY_NAME_MAX);
		r = tl_strv_push(out, item->text);
	}
	return r < 0 ? tl_err_set(err, r, "out of memory for the names of this site") : 0;
}

int tl_identity_names_of_site(const char *path, struct tl_identity_names *names, struct tl_err *err)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct site site = {.hosts = NULL};
	int r;

	if (access(path, F_OK) < 0)
		return 0;
	r = tl_yaml_load(path, &yaml, err);
	if (r == 0)
		r = tl_yaml_read(yaml, tl_yaml_root(yaml), site_members, TL_ARRAY_LEN(site_members),
				 &site, err);
	if (r == 0)
		r = add_texts(yaml, site.hosts, &names->hosts, err);
	if (r == 0)
		r = add_texts(yaml, site.domains, &names->domains, err);
	if (r == 0)
		r = add_texts(yaml, site.users, &names->users, err);
	if (r == 0)
		r = add_texts(yaml, site.persons, &names->persons, err);
	if (r == 0)
		r = add_texts(yaml, site.keywords, &names->keywords, err);
	return r < 0 ? r : add_texts(yaml, site.keep, &names->keep, err);
}
