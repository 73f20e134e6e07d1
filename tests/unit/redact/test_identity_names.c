/* Which names a host has, by its files. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>

#include "../common/scratch.h"
#include "../common/tests.h"
#include "redact/identity.h"

static void put(const char *root, const char *path, const char *text)
{
	char name[512];
	tl_fd int dir = -1;

	snprintf(name, sizeof name, "%s/%s", root, path);
	*strrchr(name, '/') = '\0';
	assert_int_equal(tl_fs_make_dir(name, 0755, &dir, NULL), 0);
	assert_int_equal(tl_fs_write_file(dir, strrchr(path, '/') ? strrchr(path, '/') + 1 : path,
					  0644, text, strlen(text), NULL),
			 0);
}

static void names_of(const char *root, struct tl_identity_names *names)
{
	struct tl_err err = TL_ERR_INIT;

	if (tl_identity_names_of_host(root, names, &err) < 0)
		fail_msg("%s", err.text);
}

static void people_are_accounts_from_1000(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};

	put(*state, "etc/passwd",
	    "root:x:0:0:root:/root:/bin/bash\n"
	    "www-data:x:33:33:www:/var/www:/usr/sbin/nologin\n"
	    "alice:x:1000:1000:Alice Example,,,:/home/alice:/bin/bash\n"
	    "svc:x:1001:1001:svc:/srv:/bin/false\n"
	    "dom:x:200001:1::/home/dom:/bin/sh\n"
	    "nobody:x:65534:65534:nobody:/:/bin/false\n"
	    "broken line\nshort:x:1002\nbig:x:99999999999:1:a:b:c\n");
	names_of(*state, &names);
	assert_int_equal(names.users.count, 3);
	assert_true(tl_strv_has(&names.users, "alice"));
	assert_true(tl_strv_has(&names.users, "svc"));
	assert_true(tl_strv_has(&names.users, "dom"));
	assert_int_equal(names.persons.count, 1);
	assert_string_equal(names.persons.items[0], "Alice Example");
}

static void directories_of_home_are_peoples(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};

	put(*state, "home/zoe/.profile", "");
	names_of(*state, &names);
	assert_true(tl_strv_has(&names.users, "zoe"));
	assert_int_equal(names.users.count, 1);
}

static void hosts_come_with_their_domains(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};

	put(*state, "etc/hostname", "web01.corp.acme.com\n");
	put(*state, "etc/hosts",
	    "# comment\n"
	    "127.0.0.1 localhost\n"
	    "0.0.0.0 ads.example.net\n"
	    "10.0.0.5\tdb7.corp.acme.com db7 # trailing\n"
	    "140.82.121.4 code.forge.io\n"
	    "fe80::1 router7.lan\n");
	put(*state, "etc/resolv.conf", "nameserver 10.0.0.1\nsearch lan prod.acme.net\n");
	put(*state, "etc/krb5.conf", "[libdefaults]\n default_realm = AD.ACME.ORG\n");
	names_of(*state, &names);
	assert_true(tl_strv_has(&names.hosts, "web01"));
	assert_true(tl_strv_has(&names.hosts, "web01.corp.acme.com"));
	assert_true(tl_strv_has(&names.hosts, "db7"));
	assert_true(tl_strv_has(&names.hosts, "code.forge.io"));
	assert_false(tl_strv_has(&names.hosts, "code"));
	assert_true(tl_strv_has(&names.hosts, "router7"));
	assert_false(tl_strv_has(&names.hosts, "localhost"));
	assert_false(tl_strv_has(&names.hosts, "ads.example.net"));
	assert_true(tl_strv_has(&names.domains, "corp.acme.com"));
	assert_true(tl_strv_has(&names.domains, "acme.com"));
	assert_true(tl_strv_has(&names.domains, "prod.acme.net"));
	assert_true(tl_strv_has(&names.domains, "AD.ACME.ORG"));
	assert_false(tl_strv_has(&names.domains, "lan"));
	assert_false(tl_strv_has(&names.domains, "forge.io"));
}

static void public_suffixes_are_nobodys_domain(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};

	put(*state, "etc/resolv.conf", "search dc1.acme.co.uk\n");
	names_of(*state, &names);
	assert_true(tl_strv_has(&names.domains, "acme.co.uk"));
	assert_false(tl_strv_has(&names.domains, "co.uk"));
}

static void a_host_without_files_has_no_names(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};

	names_of(*state, &names);
	assert_int_equal(names.hosts.count + names.users.count + names.domains.count, 0);
}

static void the_running_host_has_a_name(void **state TL_UNUSED)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	char host[256] = "";

	assert_int_equal(gethostname(host, sizeof host - 1), 0);
	names_of("", &names);
	assert_true(tl_strv_has(&names.hosts, host));
}

static void the_site_adds_its_lists(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	struct tl_err err = TL_ERR_INIT;
	char path[512];

	put(*state, "identities.yaml",
	    "keywords: [bluebird, Operation Zulu]\nhosts: [h7]\ndomains: [x.y]\n"
	    "users: [bob]\npersons: [Bob Builder]\nkeep: [web02]\n");
	snprintf(path, sizeof path, "%s/identities.yaml", (const char *)*state);
	assert_int_equal(tl_identity_names_of_site(path, &names, &err), 0);
	assert_int_equal(names.keywords.count, 2);
	assert_true(tl_strv_has(&names.hosts, "h7"));
	assert_true(tl_strv_has(&names.domains, "x.y"));
	assert_true(tl_strv_has(&names.users, "bob"));
	assert_true(tl_strv_has(&names.persons, "Bob Builder"));
	assert_true(tl_strv_has(&names.keep, "web02"));
}

static void a_site_without_a_file_is_fine(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	char path[512];

	snprintf(path, sizeof path, "%s/none.yaml", (const char *)*state);
	assert_int_equal(tl_identity_names_of_site(path, &names, NULL), 0);
}

static void a_wrong_site_file_is_refused_with_its_line(void **state)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	struct tl_err err = TL_ERR_INIT;
	char path[512];

	snprintf(path, sizeof path, "%s/bad.yaml", (const char *)*state);
	put(*state, "bad.yaml", "keywords:\n  - ok\n  - x\n");
	assert_int_equal(tl_identity_names_of_site(path, &names, &err), TL_ECONFIG);
	assert_says(&err, "bad.yaml:3: a name has 2 to");
	put(*state, "bad.yaml", "keyword: [a]\n");
	assert_int_equal(tl_identity_names_of_site(path, &names, &err), TL_ECONFIG);
	assert_says(&err, "bad.yaml:1");
}

static void kept_names_are_not_replaced(void **state TL_UNUSED)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	tl_auto(tl_identities) struct tl_identities *identities = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);
	static const uint8_t key[TL_IDENTITY_KEY_LEN];
	static const char text[] = "on web02 by bob@acme.org in /home/zoe";

	assert_int_equal(tl_strv_push(&names.hosts, "web02"), 0);
	assert_int_equal(tl_strv_push(&names.keep, "WEB02"), 0);
	assert_int_equal(tl_strv_push(&names.keep, "acme.org"), 0);
	assert_int_equal(tl_strv_push(&names.keep, "zoe"), 0);
	assert_int_equal(tl_identities_new(key, &names, &identities, NULL), 0);
	assert_int_equal(tl_identities_text(identities, text, strlen(text), &out), 0);
	assert_string_equal(tl_buf_str(&out), text);
}

#define scratch_test(function) \
	cmocka_unit_test_setup_teardown(function, scratch_set_up, scratch_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(people_are_accounts_from_1000),
		scratch_test(directories_of_home_are_peoples),
		scratch_test(hosts_come_with_their_domains),
		scratch_test(public_suffixes_are_nobodys_domain),
		scratch_test(a_host_without_files_has_no_names),
		scratch_test(the_running_host_has_a_name),
		scratch_test(the_site_adds_its_lists),
		scratch_test(a_site_without_a_file_is_fine),
		scratch_test(a_wrong_site_file_is_refused_with_its_line),
		scratch_test(kept_names_are_not_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
