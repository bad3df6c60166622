def trials(folder):
    return {}
