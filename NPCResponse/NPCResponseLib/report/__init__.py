"""Reports of a measurement as one self-contained HTML file. Needs jinja2 and matplotlib; nothing else imports it."""
