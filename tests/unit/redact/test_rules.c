/* Each rule: what it must hide, and what it must leave alone. Samples of vendor tokens are joined from
 * two parts, so that no scanner takes this file for a leak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "redact/redact.h"

static struct tl_redact_rules *rules;
static struct tl_redactor *redactor;

static int make_redactor(void **state TL_UNUSED)
{
	static const struct tl_redact_sources sources = {.site_dir = NULL};
	struct tl_err err = TL_ERR_INIT;

	if (tl_redact_rules_open(&sources, &rules, &err) < 0 ||
	    tl_redactor_new(rules, &tl_redact_limits_default, &redactor, &err) < 0) {
		fprintf(stderr, "%s\n", tl_err_text(&err));
		return -1;
	}
	return 0;
}

static int free_redactor(void **state TL_UNUSED)
{
	tl_redactor_free(redactor);
	tl_redact_rules_free(rules);
	return 0;
}

static void expect(const char *text, const char *wanted)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);

	assert_int_equal(tl_redact_text(redactor, text, strlen(text), &out, NULL), 0);
	assert_string_equal(tl_buf_str(&out), wanted);
}

static void expect_same(const char *text)
{
	expect(text, text);
}

static void a_coloured_key_hides_no_secret(void **state TL_UNUSED)
{
	expect("\x1b[36mpassword\x1b[0m=hunter2", "\x1b[36mpassword\x1b[0m=[redacted:assignment]");
	expect("\x1b[1;31mtoken_secret\x1b[0m\x1b[2m: \"two words\"",
	       "\x1b[1;31mtoken_secret\x1b[0m\x1b[2m: \"[redacted:assignment]\"");
}

static void assigned_secrets_are_hidden_in_every_quoting(void **state TL_UNUSED)
{
	expect("password=hunter2", "password=[redacted:assignment]");
	expect("x db_password: hunter2 y", "x db_password: [redacted:assignment] y");
	expect("{\"password\":\"hunter2\",\"user\":\"u\"}",
	       "{\"password\":\"[redacted:assignment]\",\"user\":\"u\"}");
	expect("{\"a\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}",
	       "{\"a\":\"{\\\"password\\\":\\\"[redacted:assignment]\\\"}\"}");
	expect("'api_key' => 'ab\\'cd', 'x' => 1",
	       "'api_key' => '[redacted:assignment]', 'x' => 1");
	expect("clientSecret = \"two words\" # why",
	       "clientSecret = \"[redacted:assignment]\" # why");
	expect("run MYSQL_PASSWORD=x1y2 now", "run MYSQL_PASSWORD=[redacted:assignment] now");
	expect("conf[\"token\"]=abc123", "conf[\"token\"]=[redacted:assignment-token]");
	expect("x pass_phrase: open-sesame", "x pass_phrase: [redacted:assignment]");
	expect("X-Api-Key: 0123", "X-Api-Key: [redacted:assignment]");
}

static void rest_of_a_configuration_line_is_hidden(void **state TL_UNUSED)
{
	expect("password = correct horse battery", "password = [redacted:assignment-line]");
	expect("  export DB_PASSWORD= a b", "  export DB_PASSWORD= [redacted:assignment-line]");
}

static void keys_that_do_not_end_in_a_secret_word_are_left(void **state TL_UNUSED)
{
	expect_same("secret_backend_timeout=30");
	expect_same("token_count: 7");
	expect_same("max_tokens=4096");
	expect_same("password_file=/etc/pw");
	expect_same("compass=north");
	expect_same("bypass: all");
	expect_same("PasswordAuthentication no");
	expect_same("monkey=1 turkey: 2 keyboard = us");
	expect_same("/etc/passwd: No such file or directory");
}

static void values_that_are_switches_are_left(void **state TL_UNUSED)
{
	expect_same("x password: true");
	expect_same("{\"token\":null,\"secret\":false}");
	expect_same("password=");
	expect_same("passwd:         files systemd");
	expect_same("PWD=/root OLDPWD=/tmp");
	expect_same("root:x:0:0:root:/root:/bin/bash");
}

static void redacted_text_stays_as_it_is(void **state TL_UNUSED)
{
	expect_same("password=[redacted:assignment]");
	expect_same("{\"password\":\"[redacted:assignment]\"}");
	expect_same("Authorization: [redacted:authorization]");
	expect_same("https://u:[redacted:url-password]@h/");
	expect_same("Cookie: [redacted:cookie]");
}

static void private_keys_are_hidden_whole(void **state TL_UNUSED)
{
	expect("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc+/=\n\n-----END RSA "
	       "PRIVATE "
	       "KEY-----\nb",
	       "a\n[redacted:private-key]\n\n\n\n\nb");
	expect("k: \"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n\", b",
	       "k: \"[redacted:private-key]\\n\", b");
	expect("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n",
	       "[redacted:private-key]\n\n");
	expect_same("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n");
	expect_same("-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----\n");
}

static void key_without_its_end_does_not_hide_what_follows(void **state TL_UNUSED)
{
	expect("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nwarning: disk is full.\n",
	       "[redacted:private-key]\n\nwarning: disk is full.\n");
}

static void authorization_headers_are_hidden(void **state TL_UNUSED)
{
	expect("Authorization: Bearer abc.def", "Authorization: [redacted:authorization]");
	expect("proxy-authorization: Basic dTpw", "proxy-authorization: [redacted:authorization]");
	expect("curl -H 'Authorization: Token 9' http://h",
	       "curl -H 'Authorization: [redacted:authorization]' http://h");
	expect("authorization: Digest username=\"u\", response=\"0f\"",
	       "authorization: [redacted:authorization]");
	expect("sent Bearer AAAABBBBCCCCDDDD ok", "sent Bearer [redacted:bearer] ok");
	expect_same("Basic authentication failed");
}

static void passwords_in_addresses_are_hidden(void **state TL_UNUSED)
{
	expect("postgres://app:s3cret@db:5432/x",
	       "postgres://app:[redacted:url-password]@db:5432/x");
	expect("https://u:p@ss@h/", "https://u:[redacted:url-password]@h/");
	expect("redis://:pw@h", "redis://:[redacted:url-password]@h");
	expect("u:s3cret@tcp(h:3306)/d", "u:[redacted:database-dsn]@tcp(h:3306)/d");
	expect("jdbc:oracle:thin:scott/tiger@h:1521",
	       "jdbc:oracle:thin:scott/[redacted:database-oracle]@h:1521");
	expect_same("https://example.org:8443/path@v2");
	expect_same("see http://[::1]:80/ and user@host");
}

static void cookies_are_hidden(void **state TL_UNUSED)
{
	expect("Cookie: sid=1; theme=dark", "Cookie: [redacted:cookie]");
	expect("Set-Cookie: sid=1; Path=/", "Set-Cookie: [redacted:cookie]");
}

static void password_hashes_are_hidden(void **state TL_UNUSED)
{
	expect("root:$y$j9T$abcdefghij$klmnopqrstuvwx:19000:0:99999:7:::",
	       "root:[redacted:password-hash]:19000:0:99999:7:::");
	expect("u:$6$saltsalt$abcdefghijklmnop:1:", "u:[redacted:password-hash]:1:");
	expect("u:abcdefghijklm:19000:0:99999:7:::",
	       "u:[redacted:password-hash-des]:19000:0:99999:7:::");
	expect("{SSHA}0123456789abcdef", "{SSHA}[redacted:password-hash-ldap]");
	expect_same("daemon:*:19000:0:99999:7:::");
	expect_same("cost $5 or $6 each");
}

static void vendor_tokens_are_hidden(void **state TL_UNUSED)
{
	expect("id AKIA"
	       "IOSFODNN7EXAMPLE.",
	       "id [redacted:aws-key].");
	expect("x ghp_"
	       "0123456789abcdefghij0123456789abcdef y",
	       "x [redacted:github-token] y");
	expect("x glpat-"
	       "0123456789abcdefghij y",
	       "x [redacted:gitlab-token] y");
	expect("x xoxb-"
	       "1234567890-abcdefghijkl y",
	       "x [redacted:slack-token] y");
	expect("x AIza"
	       "SyA0123456789abcdefghijklmnopqrstuv y",
	       "x [redacted:google-key] y");
	expect("x sk_live_"
	       "0123456789abcdef y",
	       "x [redacted:payment-key] y");
	expect("x npm_"
	       "0123456789abcdefghij0123456789abcdef y",
	       "x [redacted:registry-token] y");
	expect("x 123456789:AA"
	       "0123456789abcdefghij0123456789abcde y",
	       "x [redacted:telegram-token] y");
	expect("x eyJ"
	       "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef y",
	       "x [redacted:jwt] y");
	expect("x tlt_"
	       "0123456789abcdefghij0123456789abcdef0123456 y",
	       "x [redacted:service-token] y");
	expect_same("commit 0123456789abcdef0123456789abcdef01234567");
	expect_same("disk-0 task_1 risk-assessment");
}

static void secrets_in_arguments_are_hidden(void **state TL_UNUSED)
{
	expect("prog --password s3cret -v", "prog --password [redacted:argument] -v");
	expect("prog --db-password=s3cret -v", "prog --db-password=[redacted:assignment] -v");
	expect("mysql -u root -ps3cret db", "mysql -u root -p[redacted:argument-mysql] db");
	expect("sshpass -p s3cret ssh h", "sshpass -p [redacted:argument-mysql] ssh h");
	expect("curl -u me:s3cret http://h", "curl -u me:[redacted:argument-user] http://h");
	expect("ldapsearch -x -w s3cret -b dc=x",
	       "ldapsearch -x -w [redacted:argument-password] -b dc=x");
	expect("redis-cli -a s3cret ping", "redis-cli -a [redacted:argument-password] ping");
	expect("machine h login u password s3cret", "machine h login u password [redacted:netrc]");
	expect_same("mysqld --port 3306 --pid-file=/run/x");
	expect_same("mkdir -p /tmp/mysql");
	expect_same("prog --no-token --verbose");
}

static void secrets_in_markup_are_hidden(void **state TL_UNUSED)
{
	expect("<dbPassword>s3cret</dbPassword>", "<dbPassword>[redacted:assignment]</dbPassword>");
	expect("<add key=\"DbPassword\" value=\"s3cret\"/>",
	       "<add key=\"DbPassword\" value=\"[redacted:assignment]\"/>");
}

static void communities_are_hidden(void **state TL_UNUSED)
{
	expect("rocommunity s3cret 10.0.0.0/8", "rocommunity [redacted:snmp] 10.0.0.0/8");
}

static void rules_that_others_can_write_hide_nothing(void **state TL_UNUSED)
{
	char dir[] = "/tmp/towline-rules-XXXXXX", path[64];
	struct tl_redact_sources site = {.site_dir = dir};
	struct tl_err err = TL_ERR_INIT;
	tl_auto(tl_redact_rules) struct tl_redact_rules *sound = NULL, *loose = NULL;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("disable: [assignment]\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(tl_redact_rules_open(&site, &sound, NULL), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(tl_redact_rules_open(&site, &loose, &err), TL_ECONFIG);
	assert_non_null(strstr(tl_err_text(&err), "a.yaml must belong to root"));
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(tl_redact_rules_open(&site, &loose, &err), TL_ECONFIG);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_others_can_write_hide_nothing),
		cmocka_unit_test(a_coloured_key_hides_no_secret),
		cmocka_unit_test(assigned_secrets_are_hidden_in_every_quoting),
		cmocka_unit_test(rest_of_a_configuration_line_is_hidden),
		cmocka_unit_test(keys_that_do_not_end_in_a_secret_word_are_left),
		cmocka_unit_test(values_that_are_switches_are_left),
		cmocka_unit_test(redacted_text_stays_as_it_is),
		cmocka_unit_test(private_keys_are_hidden_whole),
		cmocka_unit_test(key_without_its_end_does_not_hide_what_follows),
		cmocka_unit_test(authorization_headers_are_hidden),
		cmocka_unit_test(passwords_in_addresses_are_hidden),
		cmocka_unit_test(cookies_are_hidden),
		cmocka_unit_test(password_hashes_are_hidden),
		cmocka_unit_test(vendor_tokens_are_hidden),
		cmocka_unit_test(secrets_in_arguments_are_hidden),
		cmocka_unit_test(secrets_in_markup_are_hidden),
		cmocka_unit_test(communities_are_hidden),
	};

	return cmocka_run_group_tests(tests, make_redactor, free_redactor);
}
