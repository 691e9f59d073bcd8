"""Who hears of an alert, and when: a council's ladder, and what people's answers make of it. Pure."""
