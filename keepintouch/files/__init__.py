"""Council exports, read: tables of people, contacts, visits and staff become the messages of `schemas`, or a reason why not.

Pure: files in, statements out. No Kafka, no database, no clock; `now` is an argument.

```python
names = PlainNames("lancashire")          # or keepintouch.refs.load_key(...): refs that only the key turns back
staff = [told.data for told in read_staff(path, None, names, now=now) if isinstance(told, Statement)]
people = [...]
for told in read_contacts(path, load_mapping(yaml), names, now=now, known=known_from(staff, people)):
    match told:                           # Statement(row, data, stood_in) | Rejected(row, column, value, reason) | Skipped
        ...
```

With a bar of progress, and to know what no column says: `with open_table(path, mapping.layout) as table`, then `Reader(table,
mapping, names, now, known, lenient=False)`, whose `unfed` that is, and `told(row)` for each of `table.rows`; `table.progress()`.

`PlainNames.case_id(ref)` gives the case system's id again. `keepintouch.files.report` writes rejected rows as a CSV file.
"""
