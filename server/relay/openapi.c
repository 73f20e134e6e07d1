/* towline-relay openapi: the API's description (OpenAPI 3.1), made from the route table. The copy in
 * docs/openapi.json is compared with it by a test. */
#include <ctype.h>
#include <stdio.h>
#include <towline/json.h>

#include "relay/relay.h"

static const struct {
	unsigned role;
	const char *name;
} roles[] = {
	{TL_ROLE_HOST, "host"},		{TL_ROLE_REQUESTER, "requester"},
	{TL_ROLE_ENGINEER, "engineer"}, {TL_ROLE_SUPERVISOR, "supervisor"},
	{TL_ROLE_AUDITOR, "auditor"},	{TL_ROLE_ADMIN, "admin"},
};

static const char *const media_types[] = {
	[TL_BODY_NONE] = NULL,
	[TL_BODY_JSON] = "application/json",
	[TL_BODY_FORM] = "application/x-www-form-urlencoded",
	[TL_BODY_STREAM] = "application/offset+octet-stream",
};

/* "/v1/tickets/:number" → "/v1/tickets/{number}"; the names go to `parameters`. */
static void write_path(const char *pattern, struct tl_buf *path, json_t *parameters)
{
	while (*pattern) {
		size_t len = *pattern == ':' ? strcspn(pattern, "/") : 1;

		if (*pattern == ':') {
			tl_buf_printf(path, "{%.*s}", (int)len - 1, pattern + 1);
			json_array_append_new(parameters,
					      json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name",
							pattern + 1, len - 1, "in", "path",
							"required", 1, "schema", "type", "string"));
		} else {
			tl_buf_putc(path, *pattern);
		}
		pattern += len;
	}
}

static json_t *role_list(unsigned bits)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(roles); i++)
		if (bits & roles[i].role)
			json_array_append_new(list, json_string(roles[i].name));
	return list;
}

static json_t *describe_body(const struct tl_http_route *route)
{
	const char *type = media_types[route->body];
	json_t *schema = route->body == TL_BODY_STREAM
				 ? json_pack("{s:s, s:s}", "type", "string", "format", "binary")
				 : json_pack("{s:s}", "type", "object");

	return json_pack("{s:b, s:{s:{s:o}}, s:I}", "required", 1, "content", type, "schema",
			 schema, "x-max-bytes", (json_int_t)route->max_body);
}

static json_t *describe_route(const struct tl_http_route *route, json_t *parameters)
{
	json_t *operation =
		json_pack("{s:s, s:o, s:{s:{s:s}, s:{s:s}}}", "summary", route->summary, "x-roles",
			  role_list(route->roles), "responses", "2XX", "description", "Done",
			  "default", "$ref", "#/components/responses/problem");

	if (json_array_size(parameters) > 0)
		json_object_set(operation, "parameters", parameters);
	if (!(route->roles & TL_ROLE_NOBODY))
		json_object_set_new(operation, "security", json_pack("[{s:[]}]", "bearer"));
	if (route->body != TL_BODY_NONE)
		json_object_set_new(operation, "requestBody", describe_body(route));
	return operation;
}

static json_t *describe_paths(void)
{
	json_t *paths = json_object();
	size_t count, i;
	const struct tl_http_route *routes = tl_desk_routes(&count);

	for (i = 0; i < count; i++) {
		tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(512);
		tl_json *parameters = json_array();
		char method[16];
		size_t at;

		write_path(routes[i].pattern, &path, parameters);
		for (at = 0; at < sizeof method - 1 && routes[i].method[at]; at++)
			method[at] = (char)tolower((unsigned char)routes[i].method[at]);
		method[at] = '\0';
		if (!json_object_get(paths, tl_buf_str(&path)))
			json_object_set_new(paths, tl_buf_str(&path), json_object());
		json_object_set_new(json_object_get(paths, tl_buf_str(&path)), method,
				    describe_route(&routes[i], parameters));
	}
	return paths;
}

static json_t *describe_components(void)
{
	json_t *problem = json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}",
				    "type", "object", "properties", "type", "type", "string",
				    "title", "type", "string", "status", "type", "integer",
				    "detail", "type", "string", "instance", "type", "string");

	return json_pack("{s:{s:{s:s, s:s}}, s:{s:{s:s, s:{s:{s:o}}}}}", "securitySchemes",
			 "bearer", "type", "http", "scheme", "bearer", "responses", "problem",
			 "description", "A problem (RFC 9457)", "content",
			 "application/problem+json", "schema", problem);
}

int tl_relay_openapi(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *document =
		json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:o}", "openapi", "3.1.0", "info", "title",
			  "Towline relay", "version", "1", "description",
			  "Made by \"towline-relay openapi\" from the route table; "
			  "docs/protocol.md explains it.",
			  "paths", describe_paths(), "components", describe_components());

	(void)cli;
	if (!document || json_dumpf(document, stdout, JSON_INDENT(2) | JSON_SORT_KEYS))
		return tl_err_set(err, TL_EINTERNAL, "cannot write the description");
	putchar('\n');
	return 0;
}
